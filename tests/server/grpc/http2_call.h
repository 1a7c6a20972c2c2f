// A gRPC call by frames of our own, for what gRPC's client would not send.
#pragma once

#include <sys/time.h>

#include <string>

#include "tests/support/loopback.h"

namespace gist {

// RFC 9113: length, type, flags, stream, payload.
inline std::string Http2Frame(int type, int flags, int stream,
                              const std::string& payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame += char(payload.size() >> shift);
  frame += char(type);
  frame += char(flags);
  frame += std::string(3, '\0') + char(stream);
  return frame + payload;
}

// RFC 7541: a literal that is not indexed, with a new name, no Huffman code.
inline std::string HpackLiteral(const std::string& name,
                                const std::string& value) {
  // 127 and more takes a second byte, as far as 254.
  const auto length = [](size_t size) {
    if (size < 127) return std::string(1, char(size));
    return std::string(1, '\x7F') + char(size - 127);
  };
  return std::string(1, '\0') + length(name.size()) + name +
         length(value.size()) + value;
}

// Reads frames until one ends stream 1; was there a message among them?
inline bool ReadsMessage(int fd) {
  std::string reply;
  bool is_answered = false, is_over = false;
  char buffer[4096];
  while (!is_over) {
    const ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
    if (got <= 0) break;
    reply.append(buffer, size_t(got));
    while (reply.size() >= 9) {
      const auto byte = [&](size_t i) { return size_t(uint8_t(reply[i])); };
      const size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
      if (reply.size() < 9 + size) break;
      const size_t type = byte(3), flags = byte(4);
      is_answered = is_answered || (type == 0 && size > 5);
      // Headers or data that end the stream, a reset, a goodbye.
      is_over =
          is_over || (type <= 1 && (flags & 1) != 0) || type == 3 || type == 7;
      reply.erase(0, 9 + size);
    }
  }
  return is_answered;
}

// Sends an empty message to `path`. Does a message come back?
inline bool Http2Call(const std::string& address, const std::string& path,
                      const std::string& authorization) {
  const int fd = ConnectTo(address);
  if (fd < 0) return false;
  const timeval patience = {2, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  const std::string headers =
      HpackLiteral(":method", "POST") + HpackLiteral(":scheme", "http") +
      HpackLiteral(":path", path) + HpackLiteral(":authority", "x") +
      HpackLiteral("content-type", "application/grpc") +
      HpackLiteral("te", "trailers") +
      HpackLiteral("authorization", authorization);
  const std::string bytes =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Http2Frame(4, 0, 0, "") +
      Http2Frame(1, 4, 1, headers) + Http2Frame(0, 1, 1, std::string(5, '\0'));
  const bool is_answered =
      send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0 &&
      ReadsMessage(fd);
  close(fd);
  return is_answered;
}

}  // namespace gist
