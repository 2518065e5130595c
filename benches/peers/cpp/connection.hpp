// A connection of hiredis that receives values with as few copies as hiredis allows: one, out of its own buffer.
#ifndef CONNECTION_HPP
#define CONNECTION_HPP

// Before hiredis.h, which includes it without saying that it is C.
extern "C" {
#include <hiredis/sds.h>
}
#include <hiredis/hiredis.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "buffers.hpp"

// Server and database of redis://HOST:PORT/DB.
struct Address {
  std::string host;
  int port = 6379, database = 0;

  explicit Address(const std::string &url) {
    std::string rest = url.substr(url.find("://") + 3);
    if (size_t slash = rest.find('/'); slash != std::string::npos) {
      if (slash + 1 < rest.size()) database = std::stoi(rest.substr(slash + 1));
      rest.resize(slash);
    }
    size_t colon = rest.rfind(':');
    host = rest.substr(0, colon);
    if (colon != std::string::npos) port = std::stoi(rest.substr(colon + 1));
  }
};

// A reply: text or value, number, or several of them.
struct Reply {
  std::shared_ptr<arrow::Buffer> value;
  long long number = 0;
  std::vector<std::unique_ptr<Reply>> elements;

  std::string text() const { return value ? value->ToString() : ""; }
};

class Connection {
 public:
  Connection(const Address &address, Buffers &buffers) : buffers_(buffers), context_(redisConnect(address.host.c_str(), address.port)) {
    if (!context_ || context_->err) throw std::runtime_error(context_ ? context_->errstr : "no memory");
    // Its own functions copy each value into fresh memory; ours into memory that was used before.
    context_->reader->fn = const_cast<redisReplyObjectFunctions *>(&functions);
    context_->reader->privdata = this;
    context_->reader->maxbuf = 0;  // keep the buffer
    ask("SELECT %d", address.database);
    reply();
  }

  template <typename... Arguments>
  void ask(const char *format, Arguments... arguments) {
    redisAppendCommand(context_.get(), format, arguments...);
    int done = 0;
    while (!done) {
      if (redisBufferWrite(context_.get(), &done) != REDIS_OK) throw std::runtime_error(context_->errstr);
    }
  }

  // The reply to the command that was asked longest ago.
  std::unique_ptr<Reply> reply() {
    void *found = nullptr;
    while (true) {
      if (redisReaderGetReply(context_->reader, &found) != REDIS_OK) throw std::runtime_error(context_->reader->errstr);
      if (found) break;
      receive();
    }
    std::unique_ptr<Reply> reply(static_cast<Reply *>(found));
    if (reply->number == ERROR) throw std::runtime_error(reply->text());
    return reply;
  }

  // A value of so many bytes, part by part: the server copies a reply twice, and what is small twice in its cache.
  std::shared_ptr<arrow::Buffer> value(const std::string &key, size_t bytes) {
    constexpr size_t PART = 512 << 10;
    whole_ = buffers_.make(bytes);
    for (filled_ = 0; filled_ < bytes;) {
      size_t before = filled_;
      std::string first = std::to_string(filled_), last = std::to_string(std::min(filled_ + PART, bytes) - 1);
      ask("GETRANGE %s %s %s", key.c_str(), first.c_str(), last.c_str());
      reply();
      if (filled_ == before) throw std::runtime_error(key + " is shorter than it was");
    }
    return std::move(whole_);
  }

 private:
  static constexpr size_t ONCE = 1 << 20;
  static constexpr long long ERROR = -1;

  // hiredis receives 16 KiB at a time and copies them into its buffer; this receives into that buffer.
  void receive() {
    redisReader *reader = context_->reader;
    reader->buf = sdsMakeRoomFor(reader->buf, ONCE);
    ssize_t got = read(context_->fd, reader->buf + sdslen(reader->buf), ONCE);
    if (got <= 0) throw std::runtime_error("the server closed the connection");
    sdsIncrLen(reader->buf, static_cast<int>(got));
    reader->len = sdslen(reader->buf);
  }

  static void *keep(const redisReadTask *task, std::unique_ptr<Reply> reply) {
    Reply *kept = reply.release();
    if (task->parent) static_cast<Reply *>(task->parent->obj)->elements[task->idx].reset(kept);
    return kept;
  }
  static void *string(const redisReadTask *task, char *text, size_t length) {
    auto reply = std::make_unique<Reply>();
    auto *self = static_cast<Connection *>(task->privdata);
    if (self->whole_ && task->type == REDIS_REPLY_STRING) {
      if (self->filled_ + length > static_cast<size_t>(self->whole_->size())) throw std::runtime_error("too long");
      std::memcpy(self->whole_->mutable_data() + self->filled_, text, length);
      self->filled_ += length;
    } else {
      reply->value = self->buffers_.copy(text, length);
    }
    reply->number = task->type == REDIS_REPLY_ERROR ? ERROR : 0;
    return keep(task, std::move(reply));
  }
  static void *array(const redisReadTask *task, int count) {
    auto reply = std::make_unique<Reply>();
    reply->elements.resize(count);
    return keep(task, std::move(reply));
  }
  static void *integer(const redisReadTask *task, long long number) {
    auto reply = std::make_unique<Reply>();
    reply->number = number;
    return keep(task, std::move(reply));
  }
  static void *nil(const redisReadTask *task) { return keep(task, std::make_unique<Reply>()); }
  static void release(void *reply) { delete static_cast<Reply *>(reply); }

  static constexpr redisReplyObjectFunctions functions = {string, array, integer, nil, release};
  struct Free {
    void operator()(redisContext *context) const { redisFree(context); }
  };
  Buffers &buffers_;
  std::unique_ptr<redisContext, Free> context_;
  std::shared_ptr<arrow::Buffer> whole_;
  size_t filled_ = 0;
};

#endif
