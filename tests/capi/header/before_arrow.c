/* The other way round. */
#include "arrowredis.h"
#include "arrow/c/abi.h"

int main(void) {
  struct ArrowArrayStream stream = {0, 0, 0, 0, 0};
  return stream.release != 0;
}
