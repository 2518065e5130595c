package arrowredis

import "fmt"

// packageVersion is the version of this package: the same number as the library's that it was released with.
const packageVersion = "0.1.0"

// Loading the package fails where nothing else could work: with a library of another ABI.
func init() {
	if err := checkABI(libraryABIVersion(), libraryVersion()); err != nil {
		panic(err)
	}
}

func checkABI(library int32, version string) error {
	if library == abiVersion {
		return nil
	}
	return fmt.Errorf("arrowredis: this program was built for version %d of the library's ABI, and found libarrowredis %s "+
		"with version %d: install the library that belongs to version %s of the Go package, or rebuild",
		abiVersion, version, library, packageVersion)
}

// Version is the version of the native library that this process has loaded, such as 0.1.0.
func Version() string { return libraryVersion() }

// LiveHandles counts the native objects and Arrow structs that have not been freed: stores, datasets, readers,
// writers, record batches. It is 0 when a program has closed and released everything.
func LiveHandles() int64 { return liveHandles() }

// Configure makes the settings of the whole process. It fails with [ErrConflict] once the library has started its
// threads, which the first operation does.
func Configure(options RuntimeOptions) error {
	native, err := newOptions(kindRuntime, &options)
	if err != nil {
		return err
	}
	defer optionsFree(native)
	return configure(native)
}
