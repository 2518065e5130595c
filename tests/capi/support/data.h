/* Datasets, options and Arrow structs for tests. */
#ifndef DATA_H
#define DATA_H

#include "arrowredis.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Options of a kind from `key=value` pairs separated by semicolons. */
arrowredis_options *make_options(int kind, const char *pairs);

arrowredis_store *open_store(const char *url);
arrowredis_dataset *open_dataset(const arrowredis_store *store, const char *prefix);

/* Generates `shape` (options of kind generate) and splits it with `split` (options of kind split). */
void publish(const arrowredis_store *store, const char *prefix, const char *shape, const char *split);

/* Starts a read with `pairs` (options of kind read). */
arrowredis_reader *start_read(const arrowredis_dataset *dataset, const char *pairs);

/* Takes the next batch; 0 at the end. */
int next_batch(const arrowredis_reader *reader, struct ArrowArray *out, uint32_t *partition, uint32_t *batch);

/* The rows that are left in a reader. */
int64_t count_rows(const arrowredis_reader *reader);
int64_t count_stream_rows(struct ArrowArrayStream *stream);

/* Structs of the caller's own: record batches of a column `partition` (int32, all `partition`), `id` (int64, from
 * `first`) and `name` (utf8, "row 0", ...). Each is freed by its release callback and counted until then. */
void make_schema(struct ArrowSchema *out);
void make_batch(struct ArrowArray *out, int32_t partition, int64_t first, int64_t rows);

/* A stream of `batches` batches of `rows` rows, one for each partition; after `fail_after` of them (if not negative)
 * get_next fails with `error_code` and `error_text`. */
void make_stream(struct ArrowArrayStream *out, int batches, int64_t rows, int fail_after, int error_code,
                 const char *error_text);

/* How many of those were not released. */
long own_structs_alive(void);

/* Waits until all are: a stream whose split failed may be released after the call has returned. */
void wait_until_own_structs_are_released(void);

#ifdef __cplusplus
}
#endif
#endif
