/* The header needs nothing before it, and may come twice. */
#include "arrowredis.h"
#include "arrowredis.h"

int main(void) { return ARROWREDIS_ABI_VERSION > 0 ? 0 : 1; }
