package arrowredis

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Options of every kind are structs whose zero value means the library's defaults: a field that is zero is not set. A
// field for which zero is a choice of its own is a pointer: new(0), new(false). A nil struct is the same as a zero one.
//
// Each field sets the library's option of the key in its tag; the library checks the value.

// StoreOptions say how a store is connected to. Stores that have no server ignore what does not apply.
type StoreOptions struct {
	// Connections at the most, per server; 0 means eight.
	Connections int `option:"connections"`
	// ConnectTimeout is the time to connect, TLS handshake and authentication included; 5 s unless set.
	ConnectTimeout time.Duration `option:"connect_timeout"`
	// Timeout of one request, from sending it to the last byte of its reply; 30 s unless set.
	Timeout time.Duration `option:"timeout"`
	// TCPKeepalive is the idle time after which TCP asks whether the peer is still there; a minute unless set, 0 turns
	// it off.
	TCPKeepalive *time.Duration `option:"tcp_keepalive"`
	// ClientName that the server shows for our connections.
	ClientName string `option:"client_name"`
	// MaxRetries is how often a request is repeated after a failure that can pass; 3 unless set.
	MaxRetries *int `option:"max_retries"`
	// RetryBaseDelay is the first delay before a repeat; it doubles each time and is jittered; 200 ms unless set.
	RetryBaseDelay time.Duration `option:"retry_base_delay"`
	// FailoverTimeout is how long requests to a Redis Cluster go on being repeated, beyond MaxRetries, while a master is
	// lost and a replica may still take its place; 30 s unless set, 0 turns that off.
	FailoverTimeout *time.Duration `option:"failover_timeout"`
	// Cluster is whether the server is a Redis Cluster.
	Cluster bool `option:"cluster"`
	// TLSCAFile is a PEM file with the certificate authorities to trust instead of the system's.
	TLSCAFile string `option:"tls_ca_file"`
	// TLSCertFile is a PEM file with the client's certificate chain.
	TLSCertFile string `option:"tls_cert_file"`
	// TLSKeyFile is a PEM file with the client's private key.
	TLSKeyFile string `option:"tls_key_file"`
	// TLSDangerAcceptAnyCertificate does not check the server's certificate: anybody on the way can then read and change
	// everything.
	TLSDangerAcceptAnyCertificate bool `option:"tls_danger_accept_any_certificate"`
	// ReadReplicas reads chunks from the replicas of a Redis Cluster; what one lacks is read from the master.
	ReadReplicas bool `option:"read_replicas"`
	// User to log in as, with the password of PasswordFile.
	User string `option:"user"`
	// PasswordFile holds the password; it is read again for every connection.
	PasswordFile string `option:"password_file"`
}

// ReadOptions say what to read of a dataset, and how.
type ReadOptions struct {
	// Partitions to read, by id or value; all if empty. See [Partitions].
	Partitions []string `option:"partitions"`
	// Columns to read, in this order; all if empty.
	Columns []string `option:"columns"`
	// Where are conditions on columns that the rows must meet, joined by AND, such as
	// "id64 >= 100 AND name IN ('a', 'b') AND x IS NOT NULL"; all rows if empty.
	Where string `option:"where"`
	// OnMissing is what to do about a missing chunk: "error", or "skip", which counts them.
	OnMissing string `option:"on_missing"`
	// Batches per partition, for data without a manifest; found out unless set.
	Batches int `option:"batches"`
	// VerifyChecksums of every chunk; on unless set.
	VerifyChecksums *bool `option:"verify_checksums"`
	// Pipeline is the keys of one request at the most; 0 means 64. Fewer are asked for when they are large.
	Pipeline int `option:"pipeline"`
	// Concurrency is the requests in flight at the most; 0 means tuned.
	Concurrency int `option:"concurrency"`
	// MaxInflightBytes in flight at the most; 7 MiB for each request in flight unless set (21 MiB on two cores, near the
	// server). The process's budget may allow less.
	MaxInflightBytes uint64 `option:"max_inflight_bytes"`
}

// FileReadOptions say what to read of an IPC file, and how.
type FileReadOptions struct {
	// Partitions to read, by id or value; all if empty. See [Partitions].
	Partitions []string `option:"partitions"`
	// Columns to read, in this order; all if empty.
	Columns []string `option:"columns"`
	// Where are conditions on columns that the rows must meet, joined by AND, such as
	// "id64 >= 100 AND name IN ('a', 'b') AND x IS NOT NULL"; all rows if empty.
	Where string `option:"where"`
	// PartitionColumn says to which partition a row belongs, for files of other writers; "partition" unless set.
	PartitionColumn string `option:"partition_column"`
	// Batches per partition, for files without a partition column.
	Batches int `option:"batches"`
	// Concurrency is the reads in flight at the most; 0 means tuned.
	Concurrency int `option:"concurrency"`
	// MaxInflightBytes in flight at the most; 32 MiB unless set, on S3 64 to 96 MiB, the more the longer its answers
	// take. The process's budget may allow less.
	MaxInflightBytes uint64 `option:"max_inflight_bytes"`
	// MMap maps the file instead of reading it. It must not change while its arrays are alive, and one that is cut
	// short ends the process with SIGBUS.
	MMap bool `option:"mmap"`
}

// SplitOptions say how a dataset is written.
type SplitOptions struct {
	// Compression of the chunks: "zstd", "lz4" or "none"; zstd unless set.
	Compression string `option:"compression"`
	// PartitionColumn is the column whose value says to which partition a row belongs; "partition" unless set.
	PartitionColumn string `option:"partition_column"`
	// Batches per partition, for input without a partition column.
	Batches int `option:"batches"`
	// Repartition sorts the rows of batches that hold several partitions into batches that hold one.
	Repartition bool `option:"repartition"`
	// Overwrite replaces a dataset that exists. It is gone from the first write on.
	Overwrite bool `option:"overwrite"`
	// Versioned publishes a version of its own, which replaces what exists in one moment; readers keep the version that
	// they opened.
	Versioned bool `option:"versioned"`
	// GracePeriod is how long the chunks of a replaced version stay for those who read it; 10 minutes unless set.
	GracePeriod *time.Duration `option:"grace_period"`
	// TTL is the time after which the dataset vanishes from the store; never unless set.
	TTL time.Duration `option:"ttl"`
	// Statistics is when the manifest gets minimum, maximum and null count of columns: "auto", "on" or "off".
	Statistics string `option:"statistics"`
	// StatisticsColumns that get statistics at the most; 32 unless set.
	StatisticsColumns *int `option:"statistics_columns"`
	// MaxInflight is the chunks that are written at once at the most; 256 unless set.
	MaxInflight int `option:"max_inflight"`
	// Pipeline is the keys of one request at the most; 0 means 64. Fewer are written at once when they are large.
	Pipeline int `option:"pipeline"`
	// MaxInflightBytes in flight at the most. The process's budget may allow less.
	MaxInflightBytes uint64 `option:"max_inflight_bytes"`
}

// S3Options say how S3 is reached. Each can also stand in the query of a URL, under the name of its tag:
// s3://bucket/key?aws_region=eu-west-1.
type S3Options struct {
	// EndpointURL is the address of a server that is not that of AWS, such as http://localhost:9000. Unless set: the
	// environment's AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, or the profile.
	EndpointURL string `option:"endpoint_url"`
	// AWSRegion is the bucket's region. Unless set: the environment's AWS_REGION, the profile's, or us-east-1.
	AWSRegion string `option:"aws_region"`
	// AWSAccessKey is the id of the access key. Unless set: AWS's usual chain of environment, profile, container and
	// instance.
	AWSAccessKey string `option:"aws_access_key"`
	// AWSSecretKey is the secret access key that belongs to it.
	AWSSecretKey string `option:"aws_secret_key"`
	// AWSSessionToken of temporary keys.
	AWSSessionToken string `option:"aws_session_token"`
	// PathStyle is whether the bucket stands in the path rather than in the host's name: "on", "off", or "auto", where an
	// endpoint is given.
	PathStyle string `option:"path_style"`
	// PartBytes of one request at the most; 8 MiB unless set. Uploads take 5 MiB or more.
	PartBytes uint64 `option:"part_bytes"`
	// Concurrency is the requests in flight at the most; 0 means tuned.
	Concurrency int `option:"concurrency"`
	// ConnectTimeout is the time to connect, TLS handshake included; 5 s unless set.
	ConnectTimeout time.Duration `option:"connect_timeout"`
	// Timeout of one request, from sending it to the last byte of its reply; 30 s unless set.
	Timeout time.Duration `option:"timeout"`
	// MaxRetries is how often a request is repeated after a failure that can pass; 3 unless set.
	MaxRetries *int `option:"max_retries"`
	// RetryBaseDelay is the first delay before a repeat; it doubles each time and is jittered; 200 ms unless set.
	RetryBaseDelay time.Duration `option:"retry_base_delay"`
	// TLSCAFile is a PEM file with the certificate authorities to trust instead of the system's.
	TLSCAFile string `option:"tls_ca_file"`
}

// GenerateOptions say what dataset to generate.
type GenerateOptions struct {
	// Partitions, whose ids count from 0; 8 unless set.
	Partitions int `option:"partitions"`
	// Batches in each partition; 8 unless set.
	Batches int `option:"batches"`
	// Rows in each batch; 100,000 unless set.
	Rows int `option:"rows"`
	// Compression of the record batches' bodies: "zstd", "lz4" or "none"; zstd unless set.
	Compression string `option:"compression"`
	// DictStrings encodes the string column as a dictionary: smaller, with the same values.
	DictStrings bool `option:"dict_strings"`
	// StringCardinality is the number of different words in the string column; 5000 unless set.
	StringCardinality int `option:"string_cardinality"`
	// Seed of the random values, 123 unless set; the same options and seed give the same bytes.
	Seed *uint64 `option:"seed"`
	// Parallel makes several batches at once, on unless set; it does not change the result.
	Parallel *bool `option:"parallel"`
	// Workers is how many batches are made at once at the most; 0 means one for each CPU thread.
	Workers int `option:"workers"`
}

// VerifyOptions say how two sides are compared.
type VerifyOptions struct {
	// ByPartition compares partition by partition: their order, and how they interleave, does not matter.
	ByPartition bool `option:"by_partition"`
	// PartitionColumn tells to which partition a row belongs, for sides without an index; "partition" unless set.
	PartitionColumn string `option:"partition_column"`
}

// RuntimeOptions are settings of the whole process, see [Configure].
type RuntimeOptions struct {
	// IOThreads move bytes; 0 means up to four, no more than the cores that the process may use.
	IOThreads int `option:"io_threads"`
	// CPUThreads encode and decode; 0 means as many as the cores that the process may use.
	CPUThreads int `option:"cpu_threads"`
	// MaxInflightBytes that all operations together may have in flight; 256 MiB unless set.
	MaxInflightBytes uint64 `option:"max_inflight_bytes"`
}

// Partitions names partitions by their ids, for [ReadOptions] and [FileReadOptions].
func Partitions(ids ...uint32) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = strconv.FormatUint(uint64(id), 10)
	}
	return names
}

// OptionInfo describes one of the library's options.
type OptionInfo struct {
	// Key is the option's name.
	Key string
	// Type is bool, integer, string, list, duration, bytes, filter, or the words that can be chosen, as in a|b.
	Type string
	// Default is the default as text; empty if unset.
	Default string
	// Doc is what it does.
	Doc string
}

// newOptions makes the library's options of a kind from one of the structs above, or nil for a nil one. The caller
// frees them.
func newOptions[T any](kind int32, options *T) (*cOptions, error) {
	if options == nil {
		return nil, nil
	}
	native, err := optionsNew(kind)
	if err != nil {
		return nil, err
	}
	fields := reflect.ValueOf(options).Elem()
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			continue
		}
		if err := setOption(native, fields.Type().Field(i).Tag.Get("option"), fields.Field(i)); err != nil {
			optionsFree(native)
			return nil, err
		}
	}
	return native, nil
}

func setOption(native *cOptions, key string, field reflect.Value) error {
	if field.Kind() == reflect.Pointer {
		field = field.Elem()
	}
	switch value := field.Interface().(type) {
	case bool:
		return optionsSetBool(native, key, value)
	case int:
		return optionsSetInt64(native, key, int64(value))
	case uint64:
		if value > math.MaxInt64 {
			return optionsSetString(native, key, strconv.FormatUint(value, 10))
		}
		return optionsSetInt64(native, key, int64(value))
	case time.Duration:
		return optionsSetDouble(native, key, value.Seconds())
	case string:
		return optionsSetString(native, key, value)
	case []string:
		return setList(native, key, value)
	}
	return newError(ErrInternal, fmt.Sprintf("option '%s' is of type %s, which nothing sets", key, field.Type()))
}

// setList joins names as the library takes them, which cannot express a comma within a name.
func setList(native *cOptions, key string, names []string) error {
	for _, name := range names {
		if strings.Contains(name, ",") {
			return newError(ErrInvalidArgument,
				fmt.Sprintf("option '%s' cannot hold '%s': names are separated by commas", key, name))
		}
	}
	return optionsSetString(native, key, strings.Join(names, ","))
}
