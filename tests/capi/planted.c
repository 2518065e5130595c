/* Two mistakes in using the library, to show that the tools which watch the tests find such: `planted
 * use_after_free` reads a column after its batch was released, `planted leak` forgets a dataset. */
#include "data.h"
#include "harness.h"

int main(int argc, char **argv) {
  CHECK(argc == 2);
  arrowredis_store *store = open_store("memory://planted");
  publish(store, "p", "partitions=1;batches=1;rows=1000", "");
  arrowredis_dataset *dataset = open_dataset(store, "p");
  arrowredis_store_free(store);
  if (strcmp(argv[1], "leak") == 0) {
    dataset = NULL;
    return 0;
  }
  arrowredis_reader *reader = start_read(dataset, "columns=id64");
  struct ArrowArray array;
  CHECK(next_batch(reader, &array, NULL, NULL));
  const volatile int64_t *ids = (const int64_t *)array.children[0]->buffers[1];
  array.release(&array);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  return ids[500] == 500;
}
