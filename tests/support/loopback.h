// Bare connections to a server of this machine, for what no library would send.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace gist {

// A connection to the port of "127.0.0.1:PORT"; -1: nobody listens there.
inline int ConnectTo(const std::string& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port =
      htons(uint16_t(std::stoi(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0) return fd;
  close(fd);
  return -1;
}

// All that comes until the other side closes; closes the connection.
inline std::string ReadAndClose(int fd) {
  std::string reply;
  char buffer[4096];
  for (ssize_t n; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
    reply.append(buffer, size_t(n));
  }
  close(fd);
  return reply;
}

// The status line and the rest; empty: nobody answers.
inline std::string HttpGet(const std::string& address,
                           const std::string& path) {
  const int fd = ConnectTo(address);
  if (fd < 0) return "";
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
  send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  return ReadAndClose(fd);
}

}  // namespace gist
