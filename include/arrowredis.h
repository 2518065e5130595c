/*
 * libarrowredis: Redis as a shared columnar dataset cache.
 *
 * Publish a partitioned Arrow dataset once; read the partitions and columns that you need, as Arrow arrays, from
 * any number of processes. This header is generated; the library is written in Rust.
 *
 * A dataset (named by its prefix) consists of partitions, and those of batches. A chunk is one batch of one
 * partition as a store keeps it. The manifest is the dataset's index; a dataset exists when its manifest does.
 *
 * THE RULES. They hold for every function below, and are not repeated there.
 *
 *  1. Errors. A function that can fail returns int32_t: ARROWREDIS_OK (0) or a code. Its last argument is
 *     `arrowredis_error **err`, which may be NULL; on failure, and only then, *err is overwritten with an error
 *     that the caller frees. Nothing is kept per thread.
 *  2. Codes have fixed values that are never reused. Treat a code that you do not know as ARROWREDIS_INTERNAL.
 *  3. Arguments. Inputs come first, outputs last. Outputs are written on success only. A string argument is a
 *     pointer to UTF-8 with its length in bytes; {NULL, 0} is the empty string. A string result is NUL-terminated
 *     and belongs to the object that it was asked of, as long as that lives.
 *  4. Handles are opaque. Each is freed with its own *_free, in any order: what a handle needs, it keeps alive.
 *     *_free(NULL) does nothing. No handle may be used during or after its free. Immutable handles, stores, datasets,
 *     readers and cancel tokens may be shared by threads.
 *  5. Options are set by key on an opaque object; an unknown key or a value that does not fit is INVALID_ARGUMENT and
 *     names it. arrowredis_options_describe lists the keys. Results that are plain structs may grow at their end in
 *     later versions: pass sizeof of the struct that you were compiled with.
 *  6. Calls block the calling thread, and may be made from any. A cancel token ends them from another thread; a
 *     context's or reader's figures are the progress that another thread watches. Only the log callback, and the
 *     streams that the caller hands over, are called back.
 *  7. Reading goes through an arrowredis_reader. The ArrowArrayStream that it exports keeps it alive; errors, figures
 *     and cancelling are asked of the reader, since importers move the stream.
 *  8. No panic leaves the library. Its threads start with the first operation, take none of the host's signals, and
 *     are never unloaded. A child forked after that gets ARROWREDIS_FORKED from every call, and its frees leak in
 *     silence; a child forked before works.
 *  9. Arrow structs. What the library exports has offset 0 and outlives reader, dataset and store; buffers that it
 *     allocates are aligned to 64 bytes and handed out without a copy. Stream errors are sticky. What the caller hands
 *     over is moved (its release becomes NULL), checked, and released by the library, also on failure.
 * 10. arrowredis_live_handles() counts handles and exported Arrow structs that have not been freed or released. It is 0
 *     when a program has cleaned up.
 */


#ifndef ARROWREDIS_H
#define ARROWREDIS_H

#include <stddef.h>
#include <stdint.h>

/* The Arrow C data and C stream interfaces, https://arrow.apache.org/docs/format/CDataInterface.html and
 * CStreamInterface.html, with their usual include guards. */
#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};
#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
  int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
  const char *(*get_last_error)(struct ArrowArrayStream *);
  void (*release)(struct ArrowArrayStream *);
  void *private_data;
};
#endif

#ifdef __cplusplus
}
#endif


// The version of the C ABI that this header describes. It changes only when a program that was compiled against
// an older header would no longer work.
#define ARROWREDIS_ABI_VERSION 1

// Success of a fallible function.
#define ARROWREDIS_OK 0

// An argument, option, URL or name that cannot be used.
#define ARROWREDIS_INVALID_ARGUMENT 1

// A dataset, partition, column or file that does not exist.
#define ARROWREDIS_NOT_FOUND 2

// A dataset that exists and was not to be replaced.
#define ARROWREDIS_ALREADY_EXISTS 3

// Another writer was at it, or the data was replaced meanwhile; also process-wide settings made too late.
#define ARROWREDIS_CONFLICT 4

// Wrong credentials, or an operation that the user may not do.
#define ARROWREDIS_PERMISSION_DENIED 5

// A server that cannot be reached or cannot serve now.
#define ARROWREDIS_UNAVAILABLE 6

// Time is up.
#define ARROWREDIS_TIMEOUT 7

// The operation's cancel token was fired.
#define ARROWREDIS_CANCELLED 8

// Bytes that are not what they should be.
#define ARROWREDIS_CORRUPT 9

// A chunk that should be there and is not.
#define ARROWREDIS_CHUNK_MISSING 10

// No memory, disk or room in the server left.
#define ARROWREDIS_RESOURCE_EXHAUSTED 11

// Something that this version, this store or Arrow cannot do.
#define ARROWREDIS_UNSUPPORTED 12

// Input or output failed.
#define ARROWREDIS_IO 13

// The process was forked after the library had started its threads.
#define ARROWREDIS_FORKED 14

// A defect of this library.
#define ARROWREDIS_INTERNAL 15

// Options of a store: how it is connected to.
#define ARROWREDIS_OPTIONS_STORE 1

// Options of a read: what to read of a dataset, and how.
#define ARROWREDIS_OPTIONS_READ 2

// Options of a read of an IPC file.
#define ARROWREDIS_OPTIONS_FILE_READ 3

// Options of a split: how a dataset is written.
#define ARROWREDIS_OPTIONS_SPLIT 4

// Options of a generated dataset.
#define ARROWREDIS_OPTIONS_GENERATE 5

// Options of a comparison.
#define ARROWREDIS_OPTIONS_VERIFY 6

// Settings of the whole process.
#define ARROWREDIS_OPTIONS_RUNTIME 7

// Options of files on S3: how their server is reached.
#define ARROWREDIS_OPTIONS_S3 8

// No records.
#define ARROWREDIS_LOG_OFF 0

// Failures that nobody else reports.
#define ARROWREDIS_LOG_ERROR 1

// What a person should look at.
#define ARROWREDIS_LOG_WARN 2

// What is worth knowing, such as a retry.
#define ARROWREDIS_LOG_INFO 3

// What helps to find a fault.
#define ARROWREDIS_LOG_DEBUG 4

// Everything.
#define ARROWREDIS_LOG_TRACE 5

// What `arrowredis_reader_next` gives for a batch that belongs to no partition.
#define ARROWREDIS_NO_PARTITION UINT32_MAX

// Ends operations: once fired, every operation that was given the token ends with CANCELLED, and so does every
// later one. Any thread may fire it, before or during a call.
typedef struct arrowredis_cancel_token arrowredis_cancel_token;

// What bounds and reports a call: a timeout, a cancel token, a limit of bytes in flight, and the figures of the
// latest operation that was started with it. Wherever a function takes a context, NULL means no bounds.
//
// It may be used for one call after the other; the timeout counts anew for each. Another thread may ask for the
// figures meanwhile: that is how progress is watched.
typedef struct arrowredis_context arrowredis_context;

// A dataset of a store, at the version that was current when it was opened. Immutable; may be shared by threads.
// It keeps the store's connections open, whether or not the store is closed or freed.
typedef struct arrowredis_dataset arrowredis_dataset;

// The datasets of a store at one moment. Immutable.
typedef struct arrowredis_dataset_list arrowredis_dataset_list;

// What went wrong. Immutable; may be read by any thread.
typedef struct arrowredis_error arrowredis_error;

// A log record. Immutable.
typedef struct arrowredis_log_record arrowredis_log_record;

// A set of options of one kind. Setting from several threads is safe; calls that take options copy them, so
// that they may be changed or freed as soon as the call has returned.
typedef struct arrowredis_options arrowredis_options;

// A running read: record batches in the order of partition and batch. Fetching and decoding go on in the
// background while batches are taken, as far as the byte budget allows; freeing the reader and every stream
// exported from it stops them.
//
// May be shared by threads; a batch goes to one of those that ask. Arrays outlive the reader, the dataset and the
// store.
typedef struct arrowredis_reader arrowredis_reader;

// What a server said of itself. Immutable.
typedef struct arrowredis_server_info arrowredis_server_info;

// A place where datasets live. May be shared by threads. Its connections close when the store is closed or freed
// and nothing that was opened from it is alive any more.
typedef struct arrowredis_store arrowredis_store;

// A text that the library has made. Immutable.
typedef struct arrowredis_text arrowredis_text;

// What a comparison found. Immutable.
typedef struct arrowredis_verify_report arrowredis_verify_report;

// One of the two things that are compared: a dataset, a file or a stream. May be used for several comparisons, one
// after the other; a stream for one.
typedef struct arrowredis_verify_side arrowredis_verify_side;

// A dataset that is being written batch by batch. Nothing is visible to readers before it is finished; freeing it
// before that abandons the upload and removes what was written. May be shared by threads; batches are written in
// the order in which the calls come.
typedef struct arrowredis_writer arrowredis_writer;

// One option of a kind. The strings are static.
typedef struct arrowredis_option_info {
  // The key.
  const char *key;
  // `bool`, `integer`, `string`, `list`, `duration`, `bytes`, `filter`, or the words that can be chosen, as in `a|b`.
  const char *value_type;
  // The default as text; empty if unset.
  const char *default_value;
  // What it does.
  const char *doc;
} arrowredis_option_info;

// What an operation has done so far, and what it cost. A snapshot. MB are 2^20 bytes.
typedef struct arrowredis_metrics {
  // Rows handed out, written or compared.
  uint64_t rows;
  // Chunks (or record batches of a file) moved.
  uint64_t chunks;
  // Bytes on the wire or in the file, as stored.
  uint64_t payload_bytes;
  // Bytes of the Arrow arrays that were made or encoded.
  uint64_t decoded_bytes;
  // Seconds during which at least one fetch, or write to the store, ran.
  double fetch_seconds;
  // Seconds during which at least one decode or encode ran. Overlaps with `fetch_seconds`.
  double decode_seconds;
  // Seconds from the start of the operation to now, or to its end.
  double total_seconds;
  // Requests that were repeated after a failure that could pass.
  uint64_t retries;
  // Chunks that were missing and skipped because the caller asked for that.
  uint64_t chunks_skipped;
  // How many chunks the operation will move; 0 until known.
  uint64_t chunks_expected;
  // How many payload bytes the operation will move; 0 until known.
  uint64_t payload_bytes_expected;
  // Payload MB a second over the whole operation.
  double payload_mb_per_second;
  // Decoded MB a second over the whole operation.
  double decoded_mb_per_second;
  // Rows a second over the whole operation.
  double rows_per_second;
  // Chunks that were not touched, since their statistics rule out that a filter keeps any of their rows.
  uint64_t chunks_pruned;
  // Bytes that were not fetched because of a filter.
  uint64_t bytes_pruned;
} arrowredis_metrics;

// The fields of a server info. Strings are borrowed from it.
typedef struct arrowredis_server_fields {
  // The product, such as `redis`, `valkey`, `directory` or `memory`.
  const char *server;
  // Its version; empty where there is none.
  const char *version;
  // `master`, `replica` or empty.
  const char *role;
  // What the server evicts when full; NULL where it would not say.
  const char *max_memory_policy;
  // The server's memory limit in bytes; 0 means none, -1 that it would not say.
  int64_t max_memory_bytes;
  // The bytes that the server uses now; -1 if it would not say.
  int64_t used_memory_bytes;
  // 1 if the server is part of a cluster.
  uint64_t cluster;
  // 1 if the connection is encrypted.
  uint64_t tls;
  // The median round-trip time of a few pings in seconds; 0 for stores without a server.
  double latency_seconds;
  // How many commands that this library needs the user may not run.
  uint64_t denied_commands;
} arrowredis_server_fields;

// The fields of a dataset. Strings are borrowed from it. Without a manifest, strings are empty and numbers 0.
typedef struct arrowredis_dataset_fields {
  // Its name.
  const char *prefix;
  // 32 hexadecimal digits that tell this upload from every other.
  const char *upload_id;
  // When it was published, as RFC 3339 in UTC.
  const char *created_at;
  // The compression of its chunks: `zstd`, `lz4` or `none`.
  const char *compression;
  // The program that wrote it.
  const char *writer;
  // The partition column; NULL if it has none.
  const char *partition_column;
  // Rows of all chunks.
  uint64_t rows;
  // Bytes of all payloads.
  uint64_t payload_bytes;
  // Chunks.
  uint64_t chunks;
  // 1 if it was opened by its manifest.
  uint64_t has_manifest;
} arrowredis_dataset_fields;

// One partition of a dataset.
typedef struct arrowredis_partition {
  // Its id.
  uint64_t partition;
  // The value that it stands for, as text, borrowed from the dataset; NULL if it is not known.
  const char *value;
  // Its batches.
  uint64_t batches;
  // Its rows.
  uint64_t rows;
  // Bytes of its payloads.
  uint64_t payload_bytes;
} arrowredis_partition;

// What a store holds under one name. Strings are borrowed from the list.
typedef struct arrowredis_dataset_summary {
  // The dataset's name.
  const char *prefix;
  // When it was published; NULL without a manifest.
  const char *created_at;
  // Why its manifest could not be read; NULL if it could.
  const char *problem;
  // 1 if it was published with a manifest.
  uint64_t has_manifest;
  // Partitions.
  uint64_t partitions;
  // Chunks.
  uint64_t chunks;
  // Rows; -1 without a manifest.
  int64_t rows;
  // Bytes of all payloads; -1 without a manifest.
  int64_t payload_bytes;
  // Chunks under this name that the manifest does not list: of replaced versions in their grace period, and of
  // uploads that are under way or dead.
  uint64_t unlisted_chunks;
} arrowredis_dataset_summary;

// What collecting garbage came to.
typedef struct arrowredis_garbage_report {
  // Datasets under whose names dead uploads were found.
  uint64_t datasets;
  // Uploads that had died unpublished, as far as they were on record.
  uint64_t dead_uploads;
  // Chunks that were deleted.
  uint64_t chunks;
  // Replaced versions that stay until their grace period is over.
  uint64_t versions_in_grace;
  // Names that a writer is at, or may be: left alone.
  uint64_t in_use;
} arrowredis_garbage_report;

// What a split came to.
typedef struct arrowredis_split_report {
  // The upload that was published: 32 hexadecimal digits and NUL bytes.
  char upload_id[40];
  // Partitions of the dataset.
  uint64_t partitions;
  // Chunks of the dataset.
  uint64_t chunks;
  // Chunks that were copied byte for byte rather than encoded anew.
  uint64_t chunks_copied;
  // The upload that was replaced, as `upload_id`; empty if there was none.
  char replaced_upload_id[40];
} arrowredis_split_report;

// What was read on one side. Strings are borrowed from the report.
typedef struct arrowredis_verify_side_fields {
  // What the side is called.
  const char *name;
  // Its rows.
  uint64_t rows;
  // Its columns.
  uint64_t columns;
  // The record batches that it came in.
  uint64_t batches;
  // The bytes that it takes where it is stored; -1 if not known.
  int64_t payload_bytes;
} arrowredis_verify_side_fields;

// A column whose values differ. Strings are borrowed from the report.
typedef struct arrowredis_column_difference {
  // The column's name.
  const char *column;
  // The first partition in which it differs, when comparing by partition; otherwise NULL.
  const char *partition;
  // The first row that differs, from 0; from the partition's first row when comparing by partition.
  uint64_t row;
  // The value on the left, for a person.
  const char *left;
  // The value on the right.
  const char *right;
} arrowredis_column_difference;

// Receives a log record: its level, the module that it comes from, and its text. The strings are NUL-terminated and
// valid during the call only.
//
// It is called from threads of the library, several at a time; it must not call this library, throw or unwind.
typedef void (*arrowredis_log_callback)(void *user_data,
                                        int32_t level,
                                        const char *target,
                                        const char *message);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The library's version, such as `0.1.0`. Static.
const char *arrowredis_version(void);

// The version of the library's C ABI: compare it with `ARROWREDIS_ABI_VERSION` before anything else.
int32_t arrowredis_abi_version(void);

// Makes the process-wide settings: options of kind `ARROWREDIS_OPTIONS_RUNTIME`.
//
// Errors: CONFLICT once the library has started its threads, which the first operation does.
int32_t arrowredis_configure(const struct arrowredis_options *options, struct arrowredis_error **err);

// How many handles, and exported Arrow structs, have been handed out and not been freed yet.
//
// Any thread may ask at any time. A program that has freed everything sees 0.
int64_t arrowredis_live_handles(void);

// The error's code, one of `ARROWREDIS_…`; `ARROWREDIS_OK` for NULL.
int32_t arrowredis_error_code(const struct arrowredis_error *error);

// What failed, on what, and what to do about it: a line for a person, without the code.
//
// Borrowed from the error. NULL for a NULL error. `length` may be NULL.
const char *arrowredis_error_message(const struct arrowredis_error *error, size_t *length);

// 1 if the same call may succeed later without any change, otherwise 0.
int32_t arrowredis_error_retryable(const struct arrowredis_error *error);

// The first word of the server's own error reply, such as `WRONGPASS`; NULL if no server sent one.
//
// Borrowed from the error. `length` may be NULL.
const char *arrowredis_error_server_code(const struct arrowredis_error *error, size_t *length);

// The partition that the error is about, or -1.
int64_t arrowredis_error_partition(const struct arrowredis_error *error);

// The batch within the partition that the error is about, or -1.
int64_t arrowredis_error_batch(const struct arrowredis_error *error);

// Frees an error. NULL does nothing.
void arrowredis_error_free(struct arrowredis_error *error);

// The name of a code, such as `NOT_FOUND`; `OK` for 0, NULL for a number that is no code. Static.
const char *arrowredis_code_name(int32_t code);

// Makes a set of options of a kind (`ARROWREDIS_OPTIONS_…`) with their defaults.
//
// The caller owns `*out`. Errors: INVALID_ARGUMENT for an unknown kind.
int32_t arrowredis_options_new(int32_t kind, struct arrowredis_options **out, struct arrowredis_error **err);

// Sets an option from its text, as the command line takes it: `4`, `on`, `0,1,2`, `200ms`, `64MiB`.
//
// Errors: INVALID_ARGUMENT naming the key if it is unknown or the value does not fit; nothing is changed then.
int32_t arrowredis_options_set_string(struct arrowredis_options *options,
                                      const char *key,
                                      size_t key_length,
                                      const char *value,
                                      size_t value_length,
                                      struct arrowredis_error **err);

// Sets an option of type integer, bytes or duration (whole seconds). Errors as `arrowredis_options_set_string`.
int32_t arrowredis_options_set_int64(struct arrowredis_options *options,
                                     const char *key,
                                     size_t key_length,
                                     int64_t value,
                                     struct arrowredis_error **err);

// Sets an option of type duration, in seconds. Errors as `arrowredis_options_set_string`.
int32_t arrowredis_options_set_double(struct arrowredis_options *options,
                                      const char *key,
                                      size_t key_length,
                                      double value,
                                      struct arrowredis_error **err);

// Sets an option of type bool: 0 is off, anything else on. Errors as `arrowredis_options_set_string`.
int32_t arrowredis_options_set_bool(struct arrowredis_options *options,
                                    const char *key,
                                    size_t key_length,
                                    int32_t value,
                                    struct arrowredis_error **err);

// Frees a set of options. NULL does nothing.
void arrowredis_options_free(struct arrowredis_options *options);

// The name of a kind of options, such as `read`; NULL if there is no such kind. The kinds are numbered from 1
// without gaps. Static.
const char *arrowredis_options_kind_name(int32_t kind);

// How many options a kind has.
//
// Errors: INVALID_ARGUMENT for an unknown kind.
int32_t arrowredis_options_count(int32_t kind, size_t *out, struct arrowredis_error **err);

// Describes an option of a kind, by its index from 0. `out_size` is `sizeof(arrowredis_option_info)`.
//
// Errors: INVALID_ARGUMENT for an unknown kind or an index beyond the last option.
int32_t arrowredis_options_describe(int32_t kind,
                                    size_t index,
                                    struct arrowredis_option_info *out,
                                    size_t out_size,
                                    struct arrowredis_error **err);

// Makes a token. The caller owns `*out`; operations that were given it do not need it to stay alive.
int32_t arrowredis_cancel_token_new(struct arrowredis_cancel_token **out, struct arrowredis_error **err);

// Fires a token. Never blocks; firing twice, or NULL, does nothing.
void arrowredis_cancel_token_cancel(const struct arrowredis_cancel_token *token);

// 1 if the token was fired, otherwise 0.
int32_t arrowredis_cancel_token_is_cancelled(const struct arrowredis_cancel_token *token);

// Frees a token without firing it. NULL does nothing.
void arrowredis_cancel_token_free(struct arrowredis_cancel_token *token);

// Makes a context without bounds. The caller owns `*out`; operations under way do not need it to stay alive.
int32_t arrowredis_context_new(struct arrowredis_context **out, struct arrowredis_error **err);

// Ends each operation that is started from now on with TIMEOUT when it has run for so many milliseconds; 0 means
// no timeout. A reader's time runs from its start to its last batch.
int32_t arrowredis_context_set_timeout(struct arrowredis_context *context,
                                       uint64_t milliseconds,
                                       struct arrowredis_error **err);

// Gives the operations that are started from now on a cancel token.
int32_t arrowredis_context_set_cancel_token(struct arrowredis_context *context,
                                            const struct arrowredis_cancel_token *token,
                                            struct arrowredis_error **err);

// Limits the bytes that each operation which is started from now on may have in flight; 0 means the default. The
// process's budget may allow less; one chunk is always allowed.
int32_t arrowredis_context_set_max_inflight_bytes(struct arrowredis_context *context,
                                                  uint64_t bytes,
                                                  struct arrowredis_error **err);

// The figures of the latest operation that was started with this context, all zero before the first. Any thread
// may ask while the operation runs. `out_size` is `sizeof(arrowredis_metrics)`.
int32_t arrowredis_context_metrics(const struct arrowredis_context *context,
                                   struct arrowredis_metrics *out,
                                   size_t out_size,
                                   struct arrowredis_error **err);

// Frees a context. NULL does nothing.
void arrowredis_context_free(struct arrowredis_context *context);

// All counters and histograms of the process since its start, in the text format of Prometheus; what each counts
// stands in the text. It holds no name of a key, a server or a user. The caller owns `*out`.
int32_t arrowredis_metrics_text(struct arrowredis_text **out,
                                struct arrowredis_error **err);

// The characters of a text. Borrowed from it; NULL for a NULL text. `length` may be NULL.
const char *arrowredis_text_get(const struct arrowredis_text *text, size_t *length);

// Frees a text. NULL does nothing.
void arrowredis_text_free(struct arrowredis_text *text);

// Opens a store by its URL: `redis://`, `rediss://`, `unix://`, `file:///dir` or `memory://NAME`.
//
// A server is not contacted before the first operation. `options` are of kind `ARROWREDIS_OPTIONS_STORE`, or NULL.
// The caller owns `*out`. Errors: INVALID_ARGUMENT when the URL or an option cannot be used; messages never show a
// password.
int32_t arrowredis_store_open(const char *url,
                              size_t url_length,
                              const struct arrowredis_options *options,
                              struct arrowredis_store **out,
                              struct arrowredis_error **err);

// Where the store is, without any credential: for messages. Borrowed from the store; NULL for a NULL store.
// `length` may be NULL.
const char *arrowredis_store_description(const struct arrowredis_store *store, size_t *length);

// Logs in with other credentials from now on, for tokens that rotate: a new connection uses them, requests under way
// end as they are, and connections made with the old ones serve no further request. Any thread may call it.
//
// An empty `user` keeps the one that the store was opened with. The texts are copied and never shown. Errors:
// UNSUPPORTED for a store that nobody logs in to.
int32_t arrowredis_store_set_credentials(const struct arrowredis_store *store,
                                         const char *user,
                                         size_t user_length,
                                         const char *password,
                                         size_t password_length,
                                         struct arrowredis_error **err);

// Closes a store: later calls with it fail with INVALID_ARGUMENT. Datasets and readers that were opened from it
// go on. The handle must still be freed.
int32_t arrowredis_store_close(struct arrowredis_store *store,
                               struct arrowredis_error **err);

// Frees a store; datasets and readers that were opened from it go on. NULL does nothing.
void arrowredis_store_free(struct arrowredis_store *store);

// Asks a store how it is. The caller owns `*out`.
//
// Errors: what keeps it from answering, such as UNAVAILABLE or PERMISSION_DENIED, naming the address.
int32_t arrowredis_store_ping(const struct arrowredis_store *store,
                              const struct arrowredis_context *context,
                              struct arrowredis_server_info **out,
                              struct arrowredis_error **err);

// The fields of a server info. `out_size` is `sizeof(arrowredis_server_fields)`.
int32_t arrowredis_server_info_fields(const struct arrowredis_server_info *info,
                                      struct arrowredis_server_fields *out,
                                      size_t out_size,
                                      struct arrowredis_error **err);

// A command that this library needs and the user may not run, by its index from 0; NULL beyond the last. Borrowed
// from the server info. `length` may be NULL.
const char *arrowredis_server_info_denied_command(const struct arrowredis_server_info *info,
                                                  size_t index,
                                                  size_t *length);

// Frees a server info. NULL does nothing.
void arrowredis_server_info_free(struct arrowredis_server_info *info);

// Opens a published dataset by reading its manifest. The caller owns `*out`.
//
// Errors: NOT_FOUND when there is none under that prefix; CORRUPT or UNSUPPORTED when its manifest cannot be used.
int32_t arrowredis_dataset_open(const struct arrowredis_store *store,
                                const char *prefix,
                                size_t prefix_length,
                                const struct arrowredis_context *context,
                                struct arrowredis_dataset **out,
                                struct arrowredis_error **err);

// Opens a dataset that has no manifest, such as the original tool writes: nothing is read yet. The caller owns
// `*out`. Its partitions are found when it is read, or named by the read's options.
//
// Errors: INVALID_ARGUMENT for a prefix that cannot be.
int32_t arrowredis_dataset_open_without_manifest(const struct arrowredis_store *store,
                                                 const char *prefix,
                                                 size_t prefix_length,
                                                 struct arrowredis_dataset **out,
                                                 struct arrowredis_error **err);

// The fields of a dataset. `out_size` is `sizeof(arrowredis_dataset_fields)`.
int32_t arrowredis_dataset_info(const struct arrowredis_dataset *dataset,
                                struct arrowredis_dataset_fields *out,
                                size_t out_size,
                                struct arrowredis_error **err);

// The schema of a dataset, all columns. The caller releases `*out`. Without a manifest a chunk is read for it.
//
// Errors: NOT_FOUND when there are no chunks; what the store reports.
int32_t arrowredis_dataset_schema(const struct arrowredis_dataset *dataset,
                                  const struct arrowredis_context *context,
                                  struct ArrowSchema *out,
                                  struct arrowredis_error **err);

// How many partitions a dataset has. Errors: UNSUPPORTED for one that was opened without a manifest.
int32_t arrowredis_dataset_partition_count(const struct arrowredis_dataset *dataset,
                                           size_t *out,
                                           struct arrowredis_error **err);

// A partition by its index from 0, in the order of the ids. `out_size` is `sizeof(arrowredis_partition)`.
//
// Errors: INVALID_ARGUMENT for an index beyond the last; UNSUPPORTED for a dataset without a manifest.
int32_t arrowredis_dataset_partition(const struct arrowredis_dataset *dataset,
                                     size_t index,
                                     struct arrowredis_partition *out,
                                     size_t out_size,
                                     struct arrowredis_error **err);

// The chunk listing as an Arrow stream of one batch: the manifest's rows, one for each chunk, with its partition,
// batch, rows, sizes, checksum and statistics. The caller releases `*out`, which needs neither dataset nor store.
//
// Errors: UNSUPPORTED for a dataset that was opened without a manifest.
int32_t arrowredis_dataset_chunks(const struct arrowredis_dataset *dataset,
                                  struct ArrowArrayStream *out,
                                  struct arrowredis_error **err);

// How the chunks that the manifest lists are spread over the nodes of a cluster, as an Arrow stream of one batch:
// `node` (its address), `chunks` and `payload_bytes`, in the order of the addresses. Every other store is one node; a
// dataset without a manifest has no rows. The caller releases `*out`.
//
// Errors: what the store reports.
int32_t arrowredis_dataset_nodes(const struct arrowredis_dataset *dataset,
                                 const struct arrowredis_context *context,
                                 struct ArrowArrayStream *out,
                                 struct arrowredis_error **err);

// Frees a dataset; readers that were started from it go on. NULL does nothing. The data stays where it is.
void arrowredis_dataset_free(struct arrowredis_dataset *dataset);

// Deletes a dataset from a store: its manifest first, then its chunks, and nothing else. `deleted_chunks` may be
// NULL.
//
// Errors: NOT_FOUND when there is nothing under that prefix; CONFLICT while it is being written.
int32_t arrowredis_dataset_delete(const struct arrowredis_store *store,
                                  const char *prefix,
                                  size_t prefix_length,
                                  const struct arrowredis_context *context,
                                  uint64_t *deleted_chunks,
                                  struct arrowredis_error **err);

// Lists the datasets whose names begin with `start_text` (all if empty), in the order of their names. The caller
// owns `*out`.
int32_t arrowredis_dataset_list_open(const struct arrowredis_store *store,
                                     const char *start_text,
                                     size_t start_length,
                                     const struct arrowredis_context *context,
                                     struct arrowredis_dataset_list **out,
                                     struct arrowredis_error **err);

// How many datasets a list has; 0 for NULL.
size_t arrowredis_dataset_list_count(const struct arrowredis_dataset_list *list);

// A dataset of a list by its index from 0. `out_size` is `sizeof(arrowredis_dataset_summary)`.
//
// Errors: INVALID_ARGUMENT for an index beyond the last.
int32_t arrowredis_dataset_list_get(const struct arrowredis_dataset_list *list,
                                    size_t index,
                                    struct arrowredis_dataset_summary *out,
                                    size_t out_size,
                                    struct arrowredis_error **err);

// Frees a list. NULL does nothing.
void arrowredis_dataset_list_free(struct arrowredis_dataset_list *list);

// Looks whether a store still holds every chunk of a dataset in its size, without reading any.
//
// `*broken_chunks` is how many are missing or of another size. `chunks` may be NULL; otherwise it becomes a stream
// of one batch with a row for each of them: `partition`, `batch`, `key`, `payload_bytes` as published, and
// `stored_bytes`, null where the chunk is missing. The caller releases it. Errors: INVALID_ARGUMENT for a dataset
// that was opened without a manifest; what the store reports.
int32_t arrowredis_dataset_check(const struct arrowredis_dataset *dataset,
                                 const struct arrowredis_context *context,
                                 uint64_t *broken_chunks,
                                 struct ArrowArrayStream *chunks,
                                 struct arrowredis_error **err);

// Removes the chunks of uploads that died unpublished to datasets whose names begin with `start_text` (all if
// empty), and nothing else: chunks that a manifest lists are never touched.
//
// `report` may be NULL; `report_size` is `sizeof(arrowredis_garbage_report)`. `datasets` may be NULL; otherwise it
// becomes a stream of one batch with a row for each name: `prefix`, `in_use` (then the rest is 0), `dead_uploads`,
// `chunks`, `versions_in_grace`. The caller releases it. A dead writer's lease ends by itself within 30 s; until
// then its dataset counts as in use.
int32_t arrowredis_collect_garbage(const struct arrowredis_store *store,
                                   const char *start_text,
                                   size_t start_length,
                                   const struct arrowredis_context *context,
                                   struct arrowredis_garbage_report *report,
                                   size_t report_size,
                                   struct ArrowArrayStream *datasets,
                                   struct arrowredis_error **err);

// Starts reading a dataset. `options` are of kind `ARROWREDIS_OPTIONS_READ`, or NULL for everything.
//
// The caller owns `*out`; the reader keeps what it needs of dataset and store alive. The context's timeout and
// token bound the whole read. Errors: NOT_FOUND for a partition or column that does not exist; what the store
// reports.
int32_t arrowredis_read(const struct arrowredis_dataset *dataset,
                        const struct arrowredis_options *options,
                        const struct arrowredis_context *context,
                        struct arrowredis_reader **out,
                        struct arrowredis_error **err);

// Starts reading an IPC file. `options` are of kind `ARROWREDIS_OPTIONS_FILE_READ`, or NULL for everything.
//
// `path` is that of a local file, or the URL of a file on S3, `s3://BUCKET/KEY`. Wherever a function takes the path
// of an IPC file to read, such a URL will do. Options of kind `ARROWREDIS_OPTIONS_S3` stand in the URL's query, as in
// `s3://BUCKET/KEY?aws_region=eu-west-1&endpoint_url=http%3A%2F%2Flocalhost%3A9000`; what is not given comes from the
// environment and the profile, as AWS's own tools have it. Special characters are percent-encoded.
//
// The caller owns `*out`. Only the wanted partitions are touched. Of a mapped file (option `mmap`), uncompressed
// columns are handed out where they lie: the file must not change while its arrays are alive, and one that is cut
// short raises SIGBUS. Errors: NOT_FOUND for a file, partition or column that does not exist; CORRUPT and
// UNSUPPORTED for a file that cannot be read; CONFLICT for an object on S3 that was replaced while it was read; what
// its server reports.
int32_t arrowredis_read_file(const char *path,
                             size_t path_length,
                             const struct arrowredis_options *options,
                             const struct arrowredis_context *context,
                             struct arrowredis_reader **out,
                             struct arrowredis_error **err);

// Reads a dataset into an IPC file, which gets its name only when it is complete.
//
// `options` as for `arrowredis_read`. `compression` is `zstd`, `lz4` or `none`; empty means as the dataset is
// stored, which copies instead of encoding anew. `metrics` may be NULL; `metrics_size` is
// `sizeof(arrowredis_metrics)`. Errors as `arrowredis_read`, and what the file system reports, naming the file.
int32_t arrowredis_read_to_file(const struct arrowredis_dataset *dataset,
                                const char *path,
                                size_t path_length,
                                const char *compression,
                                size_t compression_length,
                                const struct arrowredis_options *options,
                                const struct arrowredis_context *context,
                                struct arrowredis_metrics *metrics,
                                size_t metrics_size,
                                struct arrowredis_error **err);

// The schema of the batches. The caller releases `*out`.
int32_t arrowredis_reader_schema(const struct arrowredis_reader *reader,
                                 struct ArrowSchema *out,
                                 struct arrowredis_error **err);

// Takes the next batch as a struct array, and where it belongs.
//
// The caller releases `*out`. After the last batch `out->release` is NULL. `partition` and `batch` may be NULL;
// `*partition` is `ARROWREDIS_NO_PARTITION` for batches that belong to none. Blocks until the batch is decoded. An
// error ends the read: every later call reports it again.
int32_t arrowredis_reader_next(const struct arrowredis_reader *reader,
                               struct ArrowArray *out,
                               uint32_t *partition,
                               uint32_t *batch,
                               struct arrowredis_error **err);

// Exports the reader as an Arrow C stream of the batches that have not been taken yet.
//
// The caller releases `*out`, which keeps the reader going; the handle stays valid for errors, figures and
// cancelling. `get_next` may be called from any thread. Its failures are errno values: ECANCELED when cancelled,
// ETIMEDOUT when out of time; `arrowredis_reader_error` has the details.
int32_t arrowredis_reader_export(const struct arrowredis_reader *reader,
                                 struct ArrowArrayStream *out,
                                 struct arrowredis_error **err);

// The error that ended the read, or NULL in `*out` if none did. The caller owns `*out`. Waits for a call in
// another thread that is taking a batch.
int32_t arrowredis_reader_error(const struct arrowredis_reader *reader,
                                struct arrowredis_error **out,
                                struct arrowredis_error **err);

// The figures of the read so far; any thread may ask, also while another takes a batch. `out_size` is
// `sizeof(arrowredis_metrics)`.
int32_t arrowredis_reader_metrics(const struct arrowredis_reader *reader,
                                  struct arrowredis_metrics *out,
                                  size_t out_size,
                                  struct arrowredis_error **err);

// Cancels this read alone; batches that are asked for from now on, or being waited for, fail with CANCELLED. Never
// blocks; NULL does nothing.
void arrowredis_reader_cancel(const struct arrowredis_reader *reader);

// Frees a reader; streams that were exported from it go on. NULL does nothing.
void arrowredis_reader_free(struct arrowredis_reader *reader);

// Generates a dataset into an IPC file, which gets its name only when it is complete.
//
// `options` are of kind `ARROWREDIS_OPTIONS_GENERATE`, or NULL for the defaults. The same options and seed give the
// same bytes. `metrics` may be NULL; `metrics_size` is `sizeof(arrowredis_metrics)`. Errors: INVALID_ARGUMENT for
// impossible options; what the file system reports, naming the file.
int32_t arrowredis_generate_file(const char *path,
                                 size_t path_length,
                                 const struct arrowredis_options *options,
                                 const struct arrowredis_context *context,
                                 struct arrowredis_metrics *metrics,
                                 size_t metrics_size,
                                 struct arrowredis_error **err);

// Starts generating a dataset in memory: a reader whose batches are made as they are taken. The caller owns
// `*out`. Options and errors as `arrowredis_generate_file`.
int32_t arrowredis_generate(const struct arrowredis_options *options,
                            const struct arrowredis_context *context,
                            struct arrowredis_reader **out,
                            struct arrowredis_error **err);

// Writes an IPC file to a store as a dataset, and publishes it last: readers see all of it or nothing.
//
// `options` are of kind `ARROWREDIS_OPTIONS_SPLIT`, or NULL for the defaults. `report` and `metrics` may be NULL;
// their sizes are `sizeof(arrowredis_split_report)` and `sizeof(arrowredis_metrics)`. Errors: ALREADY_EXISTS unless
// `overwrite` is on; CONFLICT when another writer is at it; INVALID_ARGUMENT for a batch that holds several
// partitions, naming it; CORRUPT and UNSUPPORTED for a file that cannot be used; what the store reports. What the
// server's memory and settings may do to the dataset is logged as a warning.
int32_t arrowredis_split_file(const struct arrowredis_store *store,
                              const char *prefix,
                              size_t prefix_length,
                              const char *path,
                              size_t path_length,
                              const struct arrowredis_options *options,
                              const struct arrowredis_context *context,
                              struct arrowredis_split_report *report,
                              size_t report_size,
                              struct arrowredis_metrics *metrics,
                              size_t metrics_size,
                              struct arrowredis_error **err);

// Writes an Arrow stream of the caller's to a store as a dataset, and publishes it last.
//
// The stream is moved: `stream->release` is NULL afterwards, whatever the outcome (but for a NULL stream). Its
// callbacks are called from this thread and from one of the library, one at a time. It is released when it has
// ended; after another failure, or when cancelled, that may be a moment after this call has returned, as soon as
// the callback that it is in returns. Parameters and errors as `arrowredis_split_file`; an error of the stream comes
// back with its text.
int32_t arrowredis_split_stream(const struct arrowredis_store *store,
                                const char *prefix,
                                size_t prefix_length,
                                struct ArrowArrayStream *stream,
                                const struct arrowredis_options *options,
                                const struct arrowredis_context *context,
                                struct arrowredis_split_report *report,
                                size_t report_size,
                                struct arrowredis_metrics *metrics,
                                size_t metrics_size,
                                struct arrowredis_error **err);

// Starts writing a dataset batch by batch. The caller owns `*out`.
//
// `schema` is the schema of the batches; it is moved: `schema->release` is NULL afterwards, whatever the outcome
// (but for a NULL schema). `options` are of kind `ARROWREDIS_OPTIONS_SPLIT`, or NULL. The context's timeout and
// token bound everything until the writer is finished. Errors of the store come with the first batches, or with
// `arrowredis_writer_finish`.
int32_t arrowredis_writer_open(const struct arrowredis_store *store,
                               const char *prefix,
                               size_t prefix_length,
                               struct ArrowSchema *schema,
                               const struct arrowredis_options *options,
                               const struct arrowredis_context *context,
                               struct arrowredis_writer **out,
                               struct arrowredis_error **err);

// Writes a record batch, given as a struct array. Blocks while earlier batches are on their way and the byte
// budget is used up.
//
// The batch is moved: `batch->release` is NULL afterwards, whatever the outcome (but for a NULL batch); it is
// released once it is written. Errors: INVALID_ARGUMENT for a batch that does not fit the schema, which changes
// nothing; errors of the upload as `arrowredis_split_file`, which end it.
int32_t arrowredis_writer_write(const struct arrowredis_writer *writer,
                                struct ArrowArray *batch,
                                struct arrowredis_error **err);

// Writes what is left, and publishes the dataset. The handle must still be freed.
//
// `report` and `metrics` may be NULL; their sizes are `sizeof(arrowredis_split_report)` and
// `sizeof(arrowredis_metrics)`. Errors as `arrowredis_split_file`: nothing was published then.
int32_t arrowredis_writer_finish(const struct arrowredis_writer *writer,
                                 struct arrowredis_split_report *report,
                                 size_t report_size,
                                 struct arrowredis_metrics *metrics,
                                 size_t metrics_size,
                                 struct arrowredis_error **err);

// Cancels the upload: calls that are under way, and later ones, fail with CANCELLED. Never blocks; NULL does
// nothing.
void arrowredis_writer_cancel(const struct arrowredis_writer *writer);

// Frees a writer. One that was not finished is abandoned: what it wrote is removed, which may take a round trip or
// two. NULL does nothing.
void arrowredis_writer_free(struct arrowredis_writer *writer);

// A dataset as a side: the partitions and columns that `options` (kind `ARROWREDIS_OPTIONS_READ`, or NULL) mean.
// The caller owns `*out`, which does not need `dataset` to stay alive.
int32_t arrowredis_verify_dataset(const struct arrowredis_dataset *dataset,
                                  const struct arrowredis_options *options,
                                  struct arrowredis_verify_side **out,
                                  struct arrowredis_error **err);

// An IPC file, local or on S3, as a side; `options` are of kind `ARROWREDIS_OPTIONS_FILE_READ`, or NULL. The caller owns `*out`.
//
// Errors: as `arrowredis_read_file`.
int32_t arrowredis_verify_file(const char *path,
                               size_t path_length,
                               const struct arrowredis_options *options,
                               struct arrowredis_verify_side **out,
                               struct arrowredis_error **err);

// An Arrow stream of the caller's as a side, under a name for messages. The stream is moved: `stream->release` is
// NULL afterwards, whatever the outcome (but for a NULL stream). It can be compared once, and not by partition.
// The caller owns `*out`.
int32_t arrowredis_verify_stream(const char *name,
                                 size_t name_length,
                                 struct ArrowArrayStream *stream,
                                 struct arrowredis_verify_side **out,
                                 struct arrowredis_error **err);

// Frees a side. NULL does nothing.
void arrowredis_verify_side_free(struct arrowredis_verify_side *side);

// Compares two sides: schema, number of rows, and all values, bit by bit; batch boundaries do not matter.
//
// `options` are of kind `ARROWREDIS_OPTIONS_VERIFY`, or NULL. The caller owns `*out`. A difference is no error: ask
// `arrowredis_verify_report_identical`. Errors: whatever keeps a side from being read.
int32_t arrowredis_verify(const struct arrowredis_verify_side *left,
                          const struct arrowredis_verify_side *right,
                          const struct arrowredis_options *options,
                          const struct arrowredis_context *context,
                          struct arrowredis_verify_report **out,
                          struct arrowredis_error **err);

// 1 if both sides have the same columns, rows and values, otherwise 0; 0 for NULL.
int32_t arrowredis_verify_report_identical(const struct arrowredis_verify_report *report);

// What was read on a side: 0 is the left one, 1 the right one. `out_size` is
// `sizeof(arrowredis_verify_side_fields)`.
int32_t arrowredis_verify_report_side(const struct arrowredis_verify_report *report,
                                      size_t side,
                                      struct arrowredis_verify_side_fields *out,
                                      size_t out_size,
                                      struct arrowredis_error **err);

// How many columns have values that differ; 0 for NULL.
size_t arrowredis_verify_report_column_count(const struct arrowredis_verify_report *report);

// A column that differs, by its index from 0. `out_size` is `sizeof(arrowredis_column_difference)`.
//
// Errors: INVALID_ARGUMENT for an index beyond the last.
int32_t arrowredis_verify_report_column(const struct arrowredis_verify_report *report,
                                        size_t index,
                                        struct arrowredis_column_difference *out,
                                        size_t out_size,
                                        struct arrowredis_error **err);

// Every difference as one sentence, by its index from 0, the largest first: schema, partitions, rows, values. NULL
// beyond the last. Borrowed from the report. `length` may be NULL.
const char *arrowredis_verify_report_difference(const struct arrowredis_verify_report *report,
                                                size_t index,
                                                size_t *length);

// What differs in the schemas and does not count, by its index from 0: nullability, metadata. NULL beyond the last.
// Borrowed from the report. `length` may be NULL.
const char *arrowredis_verify_report_note(const struct arrowredis_verify_report *report,
                                          size_t index,
                                          size_t *length);

// What the comparison cost. `rows` are the rows compared, each counted once; `chunks` and `decoded_bytes` are of
// both sides. `out_size` is `sizeof(arrowredis_metrics)`.
int32_t arrowredis_verify_report_metrics(const struct arrowredis_verify_report *report,
                                         struct arrowredis_metrics *out,
                                         size_t out_size,
                                         struct arrowredis_error **err);

// Frees a report. NULL does nothing.
void arrowredis_verify_report_free(struct arrowredis_verify_report *report);

// Uploads a local file, of whatever kind, to S3 by the URL `s3://BUCKET/KEY`, replacing what is there.
//
// `options` are of kind `ARROWREDIS_OPTIONS_S3`, or NULL; the URL's query has precedence over them. A large file is
// sent in parts, several at once. The object is there when all of it is. Whatever ends the upload early, also its
// cancel token, removes the parts that were sent before the call returns. `metrics` may be NULL; `metrics_size` is
// `sizeof(arrowredis_metrics)`; a chunk is one part. Errors: INVALID_ARGUMENT for a URL or option that cannot be
// used; NOT_FOUND for a file or bucket that does not exist; PERMISSION_DENIED, UNAVAILABLE and what else the server
// reports.
int32_t arrowredis_upload_file(const char *path,
                               size_t path_length,
                               const char *url,
                               size_t url_length,
                               const struct arrowredis_options *options,
                               const struct arrowredis_context *context,
                               struct arrowredis_metrics *metrics,
                               size_t metrics_size,
                               struct arrowredis_error **err);

// Has records of a level (`ARROWREDIS_LOG_…`) and above go to a callback of the process; NULL, or level 0, ends that.
//
// A call of the callback may still be under way in another thread when this returns. Errors: INVALID_ARGUMENT for an
// unknown level.
int32_t arrowredis_log_set_callback(int32_t level,
                                    arrowredis_log_callback callback,
                                    void *user_data,
                                    struct arrowredis_error **err);

// Has records of a level (`ARROWREDIS_LOG_…`) and above wait in a queue of the process, of so many records at the most:
// the oldest is dropped for a newer one. Level 0 ends that and forgets what waits.
//
// Errors: INVALID_ARGUMENT for an unknown level, or no capacity.
int32_t arrowredis_log_set_queue(int32_t level,
                                 size_t capacity,
                                 struct arrowredis_error **err);

// Takes the oldest record from the queue, waiting for one for so many milliseconds. `*out` is NULL when none came; it
// returns early when the queue is ended. The caller owns `*out`.
int32_t arrowredis_log_next(uint64_t timeout_milliseconds,
                            struct arrowredis_log_record **out,
                            struct arrowredis_error **err);

// How many records were dropped from the queue since the process began, because it was full.
uint64_t arrowredis_log_dropped(void);

// The level of a record, one of `ARROWREDIS_LOG_…`; 0 for NULL.
int32_t arrowredis_log_record_level(const struct arrowredis_log_record *record);

// The module that a record comes from. Borrowed from the record; NULL for NULL. `length` may be NULL.
const char *arrowredis_log_record_target(const struct arrowredis_log_record *record, size_t *length);

// The text of a record. Borrowed from the record; NULL for NULL. `length` may be NULL.
const char *arrowredis_log_record_message(const struct arrowredis_log_record *record, size_t *length);

// Frees a record. NULL does nothing.
void arrowredis_log_record_free(struct arrowredis_log_record *record);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ARROWREDIS_H */
