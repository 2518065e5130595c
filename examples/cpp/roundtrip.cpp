// roundtrip [URL] [FILE]: generates a dataset into an Arrow file, publishes it, reads a part of it, and verifies that
// what was published equals the file. The URL is that of a store: memory://demo, file:///tmp/store,
// redis://127.0.0.1:6379.
#include <arrowredis.hpp>

#include <iostream>
#include <string>

int main(int argc, char **argv) try {
  const std::string url = argc > 1 ? argv[1] : "memory://demo", path = argc > 2 ? argv[2] : "roundtrip.arrow";
  const std::string prefix = "example:roundtrip";

  arrowredis::Metrics generated = arrowredis::generate_file(path, {{"partitions", 4}, {"rows", 10000}});
  std::cout << "generated " << generated.rows << " rows into " << path << "\n";

  arrowredis::Store store(url);
  arrowredis::SplitReport report = store.split_file(prefix, path, {{"overwrite", true}});
  std::cout << "published " << report.chunks << " chunks of " << report.partitions << " partitions\n";

  arrowredis::Dataset dataset = store.open(prefix);
  int64_t rows = 0;
  for (const arrowredis::Batch &batch : dataset.read({{"partitions", "1,3"}, {"columns", {"id64", "float64_c"}}})) {
    rows += batch.rows();
  }
  std::cout << "read " << rows << " rows of partitions 1 and 3, two columns\n";

  arrowredis::VerifyReport verified =
      arrowredis::verify(arrowredis::VerifySide::dataset(dataset), arrowredis::VerifySide::file(path));
  if (!verified.identical) {
    std::cerr << "they differ: " << verified.differences.at(0) << "\n";
    return 1;
  }
  std::cout << "the dataset equals the file\n";
  store.remove(prefix);
  return 0;
} catch (const arrowredis::Error &error) {
  std::cerr << error.what() << "\n";
  return 1;
}
