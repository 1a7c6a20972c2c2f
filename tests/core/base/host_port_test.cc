#include "core/base/host_port.h"

#include "gtest/gtest.h"

namespace gist {
namespace {

TEST(HostPortTest, ReadsNamesAndAddresses) {
  EXPECT_EQ(ParseHostPort("localhost:1")->host, "localhost");
  EXPECT_EQ(ParseHostPort("[::1]:65535")->host, "::1");
  EXPECT_EQ(ParseHostPort("10.0.0.5:0")->port, 0);
}

TEST(HostPortTest, RefusesEveryOtherForm) {
  for (const char* text : {"", ":", ":1", "[]:1", "127.0.0.1", "127.0.0.1:",
                           "127.0.0.1:x", "127.0.0.1:99999", "127.0.0.1:-1",
                           "127.0.0.1:1 ", "::1:1", "http://localhost:1"}) {
    EXPECT_FALSE(ParseHostPort(text)) << text;
  }
}

TEST(HostPortTest, LoopbackIsThisMachineAlone) {
  for (const char* host : {"localhost", "::1", "127.0.0.1", "127.9.9.9"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
  for (const char* host : {"", "0.0.0.0", "::", "127.evil.example",
                           "127.0.0.1.example", "10.0.0.1"}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
}

}  // namespace
}  // namespace gist
