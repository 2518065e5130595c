// libarrowredis for C++17: Redis as a shared columnar dataset cache.
//
//   arrowredis::Store store("redis://127.0.0.1:6379");
//   arrowredis::Dataset dataset = store.open("demo:v1");
//   for (const arrowredis::Batch &batch : dataset.read({{"columns", "id64"}})) use(batch.values<int64_t>(0));
//
// Header-only, a thin skin over arrowredis.h, whose rules hold here, too. Objects own what they stand for and can be
// moved, not copied; they may be destroyed in any order. Every failure throws arrowredis::Error. Arrow data comes and
// goes as the structs of the Arrow C data interface; <arrowredis/arrow.hpp> has the way to Arrow C++.
#ifndef ARROWREDIS_HPP
#define ARROWREDIS_HPP

#include "arrowredis/arrays.hpp"
#include "arrowredis/context.hpp"
#include "arrowredis/error.hpp"
#include "arrowredis/log.hpp"
#include "arrowredis/options.hpp"
#include "arrowredis/reader.hpp"
#include "arrowredis/store.hpp"
#include "arrowredis/verify.hpp"
#include "arrowredis/writer.hpp"

#endif
