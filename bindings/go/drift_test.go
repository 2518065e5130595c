package arrowredis

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const headerFile = "../../include/arrowredis.h"

// What Go does without, and why.
var notBound = map[string]string{
	"arrowredis_log_set_callback": "it would call Go from threads of the library; StartLog polls the queue instead",
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func captures(text, pattern string) []string {
	var found []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestEveryFunctionOfTheHeaderIsBound(t *testing.T) {
	header, source := readText(t, headerFile), readText(t, "capi.go")
	declared := captures(header, `(?m)^(?:\w+ )+\**(arrowredis_\w+)\(`)
	if len(declared) < 90 {
		t.Fatalf("only %d functions were found in the header", len(declared))
	}
	called := captures(source, `C\.(arrowredis_\w+)\(`)
	for _, name := range declared {
		_, left := notBound[name]
		if slices.Contains(called, name) == left {
			t.Errorf("%s: bound and listed as not bound, or neither", name)
		}
	}
	for name := range notBound {
		if !slices.Contains(declared, name) {
			t.Errorf("%s is listed as not bound, and is not in the header", name)
		}
	}
}

func TestOnlyOneFileKnowsC(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := file.Name(); strings.HasSuffix(name, ".go") && name != "capi.go" && name != "drift_test.go" &&
			strings.Contains(readText(t, name), "import \"C\"") {
			t.Errorf("%s imports C", name)
		}
	}
}

func TestEveryCodeOfTheHeaderHasAName(t *testing.T) {
	codes := regexp.MustCompile(`(?m)^#define ARROWREDIS_([A-Z]+(?:_[A-Z]+)*) (\d+)$`)
	source := readText(t, "errors.go")
	found := 0
	for _, match := range codes.FindAllStringSubmatch(readText(t, headerFile), -1) {
		name, number := match[1], match[2]
		if name == "OK" || name == "ABI_VERSION" || strings.HasPrefix(name, "OPTIONS_") || strings.HasPrefix(name, "LOG_") {
			continue
		}
		found++
		var value int32
		if _, err := fmt.Sscan(number, &value); err != nil {
			t.Fatal(err)
		}
		if Code(value).String() != name {
			t.Errorf("code %d is %s in the header, and %s in the library", value, name, Code(value))
		}
		if !regexp.MustCompile(`\tErr` + goName(name) + ` Code = ` + number + `\n`).MatchString(source) {
			t.Errorf("errors.go lacks Err%s = %s", goName(name), number)
		}
	}
	if found < 15 || Code(0).String() != "INTERNAL" || Code(12345).String() != "INTERNAL" {
		t.Errorf("%d codes", found)
	}
}

// goName turns NOT_FOUND into NotFound.
func goName(name string) string {
	var out strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		if word == "IO" {
			out.WriteString(word)
			continue
		}
		out.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return out.String()
}

func allOptions() map[int32]reflect.Type {
	return map[int32]reflect.Type{
		kindStore:    reflect.TypeFor[StoreOptions](),
		kindRead:     reflect.TypeFor[ReadOptions](),
		kindFileRead: reflect.TypeFor[FileReadOptions](),
		kindSplit:    reflect.TypeFor[SplitOptions](),
		kindGenerate: reflect.TypeFor[GenerateOptions](),
		kindVerify:   reflect.TypeFor[VerifyOptions](),
		kindRuntime:  reflect.TypeFor[RuntimeOptions](),
		kindS3:       reflect.TypeFor[S3Options](),
	}
}

func describe(t *testing.T, kind int32) map[string]OptionInfo {
	t.Helper()
	count, err := optionsCount(kind)
	if err != nil {
		t.Fatal(err)
	}
	options := map[string]OptionInfo{}
	for i := range count {
		info, err := optionsDescribe(kind, i)
		if err != nil {
			t.Fatal(err)
		}
		options[info.Key] = info
	}
	return options
}

func TestEveryOptionOfTheLibraryIsAField(t *testing.T) {
	types := allOptions()
	for kind := int32(1); optionsKindName(kind) != "" || types[kind] != nil; kind++ {
		if types[kind] == nil {
			t.Errorf("options of kind %s have no struct", optionsKindName(kind))
			continue
		}
		known := describe(t, kind)
		for i := range types[kind].NumField() {
			field := types[kind].Field(i)
			key := field.Tag.Get("option")
			info, ok := known[key]
			if !ok {
				t.Errorf("%s.%s: the library has no option '%s'", types[kind].Name(), field.Name, key)
				continue
			}
			delete(known, key)
			checkField(t, types[kind].Name(), field, info)
		}
		for key := range known {
			t.Errorf("%s lacks the library's option '%s'", types[kind].Name(), key)
		}
	}
}

// checkField checks that a field's type fits the option, and that whoever leaves it at zero gets the default.
func checkField(t *testing.T, owner string, field reflect.StructField, info OptionInfo) {
	t.Helper()
	kind := field.Type
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	fitting := map[string][]reflect.Type{
		"bool":     {reflect.TypeFor[bool]()},
		"integer":  {reflect.TypeFor[int](), reflect.TypeFor[uint64]()},
		"bytes":    {reflect.TypeFor[uint64]()},
		"duration": {reflect.TypeFor[time.Duration]()},
		"list":     {reflect.TypeFor[[]string]()},
	}
	types, ok := fitting[info.Type]
	if !ok { // a string, or words that can be chosen
		types = []reflect.Type{reflect.TypeFor[string]()}
	}
	if !slices.Contains(types, kind) {
		t.Errorf("%s.%s is %s, and the option is of type %s", owner, field.Name, field.Type, info.Type)
	}
	if info.Type == "bool" && (info.Default == "on") != (field.Type.Kind() == reflect.Pointer) {
		t.Errorf("%s.%s: the default is %s; a field that is on by default is a *bool, another a bool", owner, field.Name, info.Default)
	}
}

// sample is a value that the library takes for an option.
func sample(field reflect.Value, info OptionInfo) {
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	switch field.Interface().(type) {
	case bool:
		field.SetBool(true)
	case int:
		field.SetInt(3)
	case uint64:
		field.SetUint(1 << 63)
	case time.Duration:
		field.SetInt(int64(1500 * time.Millisecond))
	case []string:
		field.Set(reflect.ValueOf([]string{"one", "two"}))
	case string:
		word, _, _ := strings.Cut(info.Type, "|")
		if info.Type == "filter" {
			word = "one = 1"
		}
		field.SetString(word)
	}
}

func TestEveryFieldSetsItsOption(t *testing.T) {
	for kind, structure := range allOptions() {
		known := describe(t, kind)
		options := reflect.New(structure).Elem()
		native, err := optionsNew(kind)
		if err != nil {
			t.Fatal(err)
		}
		for i := range options.NumField() {
			key := structure.Field(i).Tag.Get("option")
			sample(options.Field(i), known[key])
			if err := setOption(native, key, options.Field(i)); err != nil {
				t.Errorf("%s.%s: %v", structure.Name(), structure.Field(i).Name, err)
			}
		}
		optionsFree(native)
	}
}

func TestBadOptionsAreNamed(t *testing.T) {
	for _, c := range []struct {
		options *ReadOptions
		part    string
	}{
		{&ReadOptions{OnMissing: "shrug"}, "option 'on_missing' cannot be 'shrug'"},
		{&ReadOptions{Batches: -1}, "option 'batches' cannot be '-1'"},
		{&ReadOptions{Columns: []string{"a,b"}}, "option 'columns' cannot hold 'a,b'"},
	} {
		_, err := newOptions(kindRead, c.options)
		if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%v", err)
		}
	}
	if native, err := newOptions[ReadOptions](kindRead, nil); native != nil || err != nil {
		t.Error(native, err)
	}
	if liveHandles() != 0 {
		t.Error("options were not freed")
	}
}

func TestVersionsAgree(t *testing.T) {
	if libraryVersion() != packageVersion {
		t.Errorf("the library is %s, the package %s", libraryVersion(), packageVersion)
	}
	if !strings.Contains(readText(t, "../../Cargo.toml"), "\nversion = \""+packageVersion+"\"\n") {
		t.Error("Cargo.toml has another version")
	}
	if err := checkABI(abiVersion, "1.0.0"); err != nil {
		t.Error(err)
	}
	err := checkABI(abiVersion+1, "9.0.0")
	if err == nil || !strings.Contains(err.Error(), "found libarrowredis 9.0.0 with version 2") {
		t.Error(err)
	}
}

func TestACancelTokenIsFiredByItsContext(t *testing.T) {
	token, err := cancelTokenNew()
	if err != nil {
		t.Fatal(err)
	}
	defer cancelTokenFree(token)
	if cancelTokenIsCancelled(token) {
		t.Error("fired before anybody did it")
	}
	cancelTokenCancel(token)
	if !cancelTokenIsCancelled(token) {
		t.Error("not fired")
	}
}
