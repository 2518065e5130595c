// Memory that is used again, so that neither the kernel's fresh pages nor the allocator cost anything.
#ifndef BUFFERS_HPP
#define BUFFERS_HPP

#include <arrow/buffer.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

// Blocks of 64-byte aligned memory, each as large as the largest that was asked for when it was made.
class Buffers {
 public:
  // A copy as an Arrow buffer, whose memory comes back when nothing uses it any more.
  std::shared_ptr<arrow::Buffer> copy(const char *text, size_t length) {
    std::shared_ptr<arrow::Buffer> buffer = make(length);
    std::memcpy(buffer->mutable_data(), text, length);
    return buffer;
  }

  // One to be filled.
  std::shared_ptr<arrow::Buffer> make(size_t length) {
    Block block = take(length);
    return std::make_shared<Lent>(*this, std::move(block), static_cast<int64_t>(length));
  }

 private:
  struct Free {
    void operator()(uint8_t *memory) const { std::free(memory); }
  };
  struct Block {
    std::unique_ptr<uint8_t, Free> memory;
    size_t size = 0;
  };

  class Lent : public arrow::MutableBuffer {
   public:
    Lent(Buffers &owner, Block block, int64_t length)
        : arrow::MutableBuffer(block.memory.get(), length), owner_(owner), block_(std::move(block)) {}
    ~Lent() override { owner_.give_back(std::move(block_)); }

   private:
    Buffers &owner_;
    Block block_;
  };

  static constexpr size_t ALIGNMENT = 64, SMALL = 4096;

  Block take(size_t length) {
    std::lock_guard lock(mutex_);
    auto &free = length <= SMALL ? small_ : large_;
    if (!free.empty() && free.back().size >= length) {
      Block block = std::move(free.back());
      free.pop_back();
      return block;
    }
    // An eighth more than this one needs, since chunks are of much the same size.
    size_t wanted = length <= SMALL ? SMALL : length + length / 8;
    size_t size = (wanted + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    auto *memory = static_cast<uint8_t *>(std::aligned_alloc(ALIGNMENT, size));
    if (!memory) throw std::bad_alloc();
    return {std::unique_ptr<uint8_t, Free>(memory), size};
  }

  void give_back(Block block) {
    std::lock_guard lock(mutex_);
    (block.size <= SMALL ? small_ : large_).push_back(std::move(block));
  }

  std::mutex mutex_;
  std::vector<Block> small_, large_;
};

#endif
