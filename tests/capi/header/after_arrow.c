/* Beside Arrow's own definitions of its C interfaces. */
#include "arrow/c/abi.h"
#include "arrowredis.h"

int main(void) {
  struct ArrowArrayStream stream = {0, 0, 0, 0, 0};
  return stream.release != 0;
}
