// Bytes that are no HTTP/2, no gRPC and no message of gist.v1, sent to a live
// server: it stays up, and answers the next good call.
#include <poll.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gist/v1/gist.grpc.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "server/grpc/service.h"
#include "spdlog/spdlog.h"
#include "tests/faults/rounds.h"
#include "tests/faults/server_process.h"
#include "tests/server/harness.h"
#include "tests/support/loopback.h"

namespace gist {
namespace {

// What strangers may cost. AddressSanitizer keeps 256 MB of what was freed.
#ifdef __SANITIZE_ADDRESS__
constexpr int64_t kMostGrowth = 512 << 20;
#else
constexpr int64_t kMostGrowth = 32 << 20;
#endif

class MalformedWireTest : public PipelineTest {
 protected:
  static void SetUpTestSuite() { spdlog::set_level(spdlog::level::off); }
  void SetUp() override {
    Start({});
    GrpcServerOptions options;
    options.listen = "127.0.0.1:0";
    grpc_ = GrpcServer::Start({server().pipeline}, metrics_, options).value();
    UseServer(grpc_->address());
    ExpectAlive();
  }
  void TearDown() override { grpc_.reset(); }

  void UseServer(const std::string& address) {
    address_ = address;
    channel_ = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
    stub_ = v1::GistService::NewStub(channel_);
  }

  // A good call, from the first byte to the last. While what was sent before
  // still has all handlers, which takes a moment on a busy machine, gRPC
  // refuses it.
  void ExpectAlive() {
    const Clock::time_point end = Clock::now() + std::chrono::seconds(5);
    grpc::Status status;
    do {
      grpc::ClientContext context;
      v1::CompressRequest request;
      request.set_text("The secret passkey is ABC123 .");
      v1::CompressResponse response;
      status = stub_->Compress(&context, request, &response);
      if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    } while (Clock::now() < end);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  // Sends `bytes` on a connection of their own, reads what comes for a moment.
  void SendRaw(const std::string& bytes) {
    const int fd = ConnectTo(address_);
    ASSERT_GE(fd, 0);
    send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    char buffer[4096];
    pollfd wait = {fd, POLLIN, 0};
    while (poll(&wait, 1, 20) > 0 && read(fd, buffer, sizeof(buffer)) > 0) {
    }
    close(fd);
  }

  // One message there, as bytes; reads all that comes. The call's status.
  grpc::Status SendMessage(const std::string& method, const std::string& bytes,
                           bool compressed = false) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(20));
    if (compressed) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::CompletionQueue queue;
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
      return ok;
    };
    grpc::GenericStub stub(channel_);
    const auto call = stub.PrepareCall(&context, method, &queue);
    call->StartCall(nullptr);
    if (wait()) {
      call->WriteLast(request, grpc::WriteOptions(), nullptr);
      wait();
      do {
        call->Read(&response, nullptr);
      } while (wait());
    }
    grpc::Status status;
    call->Finish(&status, nullptr);
    wait();
    return status;
  }

  Metrics metrics_;
  std::unique_ptr<GrpcServer> grpc_;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::GistService::Stub> stub_;
};

constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::string Frame(uint8_t type, uint8_t flags, uint32_t stream,
                  const std::string& payload, int64_t length = -1) {
  const auto size = uint32_t(length < 0 ? int64_t(payload.size()) : length);
  std::string frame = {
      char(size >> 16),   char(size >> 8),   char(size),
      char(type),         char(flags),       char(stream >> 24),
      char(stream >> 16), char(stream >> 8), char(stream)};
  return frame + payload;
}
// A header field that the other side is not to remember (RFC 7541, 6.2.2).
std::string Field(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + char(name.size()) + name + char(value.size()) +
         value;
}
std::string CallHeaders(const std::string& path,
                        const std::string& encoding = "") {
  std::string fields = Field(":method", "POST") + Field(":scheme", "http") +
                       Field(":path", path) + Field(":authority", "gistd") +
                       Field("te", "trailers") +
                       Field("content-type", "application/grpc");
  if (!encoding.empty()) fields += Field("grpc-encoding", encoding);
  return fields;
}
// gRPC's own frame around a message.
std::string Prefixed(const std::string& message, char flag, int64_t length) {
  const auto size = uint32_t(length);
  return std::string{flag, char(size >> 24), char(size >> 16), char(size >> 8),
                     char(size)} +
         message;
}

constexpr uint8_t kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6,
                  kWindow = 8, kContinuation = 9;
constexpr uint8_t kEndStream = 1, kEndHeaders = 4;

std::string Open() { return kPreface + Frame(kSettings, 0, 0, ""); }

std::vector<std::string> BrokenConnections() {
  const std::string get = "/gist.v1.GistService/GetContext";
  const std::string call =
      Open() + Frame(kHeaders, kEndHeaders, 1, CallHeaders(get));
  std::vector<std::string> all = {
      "",
      "\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: gistd\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
      std::string(kPreface).substr(0, 10),
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),  // TLS
      std::string(70000, '\0'),
      kPreface + Frame(kSettings, 0, 0, "12345"),         // no multiple of 6
      kPreface + Frame(kSettings, 0, 1, ""),              // on a stream
      kPreface + Frame(kSettings, 1, 0, "123456"),        // ACK with bytes
      Open() + Frame(kPing, 0, 0, "1234567"),             // not 8
      Open() + Frame(kPing, 0, 0, "12345678", 0xffffff),  // length too large
      Open() + Frame(kData, 0, 0, "x"),                   // on no stream
      Open() + Frame(kData, 0, 7, "x"),                   // never opened
      Open() + Frame(kHeaders, kEndHeaders, 2, CallHeaders(get)),  // even
      Open() + Frame(kHeaders, kEndHeaders, 1, "\xff\xff\xff\xff\xff"),
      Open() + Frame(kHeaders, kEndHeaders, 1, std::string(1, '\0')),
      Open() + Frame(kHeaders, 0, 1, CallHeaders(get)) +
          Frame(kData, 0, 1, "x"),  // headers that never end
      Open() + Frame(kContinuation, kEndHeaders, 1, CallHeaders(get)),
      Open() + Frame(kHeaders, kEndHeaders, 1,
                     CallHeaders(get) + Field(":path", "/x")),
      Open() + Frame(kHeaders, kEndHeaders | kEndStream, 1, CallHeaders(get)),
      Open() + Frame(kHeaders, kEndHeaders | kEndStream, 1, CallHeaders("/")),
      Open() + Frame(kWindow, 0, 0, std::string(4, '\0')),
      Open() + Frame(kWindow, 0, 0, "\x7f\xff\xff\xff") +
          Frame(kWindow, 0, 0, "\x7f\xff\xff\xff"),
      Open() + Frame(kReset, 0, 0, "1234"),
      Open() + Frame(200, 0xff, 5, "unknown"),
      call + Frame(kReset, 0, 1, "12345"),
      call + Frame(kData, kEndStream, 1, ""),
      call + Frame(kData, kEndStream, 1, "\0\0"),  // half a prefix
      call + Frame(kData, kEndStream, 1, Prefixed("x", 0, 100)),
      call + Frame(kData, kEndStream, 1, Prefixed("x", 0, 0xffffffff)),
      call + Frame(kData, kEndStream, 1, Prefixed("x", 1, 1)),
      call + Frame(kData, kEndStream, 1, Prefixed("x", 7, 1)),
      call + Frame(kData, kEndStream, 1,
                   Prefixed("x", 0, 1) + Prefixed("y", 0, 1)),
      call + Frame(kData, 0, 1, Prefixed("", 0, 0)) +
          Frame(kHeaders, kEndHeaders, 1, CallHeaders(get)),
      Open() + Frame(kHeaders, kEndHeaders, 1, CallHeaders(get, "gzip")) +
          Frame(kData, kEndStream, 1, Prefixed("not gzip", 1, 8)),
      Open() + Frame(kHeaders, kEndHeaders, 1, CallHeaders(get, "brotli")) +
          Frame(kData, kEndStream, 1, Prefixed("x", 1, 1)),
  };
  // Floods: pings, and streams that are reset at once. gRPC 1.51 has no bound
  // for these: each takes 20 kB until it is dropped, so 3,000 take 60 MB where
  // the machine is busy with other things.
  std::string pings = Open(), resets = Open();
  for (uint32_t i = 0; i < 1000; ++i) {
    pings += Frame(kPing, 0, 0, "12345678");
    resets += Frame(kHeaders, kEndHeaders, 2 * i + 1, CallHeaders(get)) +
              Frame(kReset, 0, 2 * i + 1, std::string(4, '\x8'));
  }
  all.push_back(pings);
  all.push_back(resets);
  return all;
}

TEST_F(MalformedWireTest, BrokenHttp2LeavesTheServerUp) {
  TempDir dir;
  ServerProcess server(dir / "data");
  UseServer(server.address());
  ASSERT_NO_FATAL_FAILURE(ExpectAlive());
  const int64_t before = server.PeakBytes();
  int connections = 0;
  for (const std::string& bytes : BrokenConnections()) {
    SendRaw(bytes);
    if (++connections % 8 == 0) {
      ASSERT_NO_FATAL_FAILURE(ExpectAlive());
    }
  }
  ASSERT_NO_FATAL_FAILURE(ExpectAlive());
  EXPECT_FALSE(server.HasEnded());
  const int64_t grown = server.PeakBytes() - before;
  EXPECT_LE(grown, kMostGrowth);
  PrintFigure(fmt::format(
      "wire: {} broken connections, server up, {:.1f} MB at the most",
      connections, double(grown) / 1e6));
}

TEST_F(MalformedWireTest, MutatedCallsLeaveTheServerUp) {
  std::mt19937_64 random(Seed());
  v1::GetContextRequest request;
  request.set_context_id("ctx_" + std::string(32, '0'));
  const std::string message = request.SerializeAsString();
  const std::string good =
      Open() +
      Frame(kHeaders, kEndHeaders, 1,
            CallHeaders("/gist.v1.GistService/GetContext")) +
      Frame(kData, kEndStream, 1,
            Prefixed(message, 0, int64_t(message.size())));
  const int rounds = Rounds(200);
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = good;
    for (uint64_t edits = 1 + random() % 4; edits > 0; --edits) {
      const size_t at = random() % bytes.size();
      if (random() % 3 == 0) {
        bytes.erase(at, random() % 8);
      } else {
        bytes[at] = char(random());
      }
      if (bytes.empty()) break;
    }
    SendRaw(bytes);
    if (round % 25 == 24) {
      ASSERT_NO_FATAL_FAILURE(ExpectAlive());
    }
  }
  ASSERT_NO_FATAL_FAILURE(ExpectAlive());
  PrintFigure(fmt::format("wire: {} mutated calls, server up", rounds));
}

// All methods there are, so that none is forgotten.
std::vector<std::string> Methods() {
  std::vector<std::string> methods;
  const auto* service =
      v1::ServerInfo::descriptor()->file()->FindServiceByName("GistService");
  for (int i = 0; i < service->method_count(); ++i) {
    methods.push_back("/" + std::string(service->full_name()) + "/" +
                      std::string(service->method(i)->name()));
  }
  return methods;
}

std::vector<std::string> BrokenMessages(std::mt19937_64& random) {
  std::vector<std::string> all = {
      std::string(1, '\x80'),      // a tag that does not end
      "\x0a\xff\xff\xff\xff\x0f",  // longer than what is there
      "\x0a\x05"
      "abc",                   // likewise
      "\x0a\x03\xff\xfe\xfd",  // not UTF-8
      "\x07",                  // wire type 7
      std::string("\x0a\x03"
                  "a\0b",
                  5),            // NUL in a name
      std::string(300, '\x0b'),  // 300 groups, one in another
      "\x0a\x14"
      "ctx_../../etc/passwd",  // a path for an id
  };
  for (int i = 0; i < 4; ++i) {
    std::string bytes(1 + random() % 200, '\0');
    for (char& c : bytes) c = char(random());
    all.push_back(std::move(bytes));
  }
  return all;
}

TEST_F(MalformedWireTest, BrokenMessagesAreTheClientsMistake) {
  std::mt19937_64 random(Seed());
  int calls = 0;
  for (const std::string& method : Methods()) {
    for (const std::string& message : BrokenMessages(random)) {
      const grpc::Status status = SendMessage(method, message);
      ++calls;
      switch (status.error_code()) {
        case grpc::StatusCode::INVALID_ARGUMENT:
        case grpc::StatusCode::NOT_FOUND:
        case grpc::StatusCode::FAILED_PRECONDITION:
        case grpc::StatusCode::DATA_LOSS:      // an imported file
        case grpc::StatusCode::UNIMPLEMENTED:  // a stream ended early
        case grpc::StatusCode::OK:             // random bytes may parse
          break;
        default:
          ADD_FAILURE() << method << ": " << status.error_code() << " "
                        << status.error_message();
      }
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAlive());
  }
  PrintFigure(fmt::format("wire: {} broken messages, server up", calls));
}

// In a process of its own: what the client holds is not the server's.
TEST_F(MalformedWireTest, ACompressedBombCostsNoMemory) {
  TempDir dir;
  ServerProcess server(dir / "data");
  UseServer(server.address());
  ASSERT_NO_FATAL_FAILURE(ExpectAlive());
  const std::string method = "/gist.v1.GistService/Compress";
  const int64_t before = server.PeakBytes();
  for (const size_t bytes : {size_t{16} << 20, size_t{64} << 20}) {
    v1::CompressRequest request;
    request.set_text(std::string(bytes, 'x'));  // gzip: a thousandth
    const grpc::Status status =
        SendMessage(method, request.SerializeAsString(), /*compressed=*/true);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED)
        << status.error_message();
  }
  ASSERT_NO_FATAL_FAILURE(ExpectAlive());
  const int64_t grown = server.PeakBytes() - before;
  EXPECT_LE(grown, kMostGrowth);
  PrintFigure(fmt::format("wire: bombs of 16 and 64 MB cost {:.1f} MB",
                          double(grown) / 1e6));
}

TEST_F(MalformedWireTest, SizesAtTheirLimits) {
  v1::CompressRequest request;
  EXPECT_EQ(SendMessage("/gist.v1.GistService/Compress", "").error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.set_text(std::string((4 << 20) + 1, 'x'));
  EXPECT_EQ(
      SendMessage("/gist.v1.GistService/Compress", request.SerializeAsString())
          .error_code(),
      grpc::StatusCode::RESOURCE_EXHAUSTED);
  request.set_text(std::string(8 << 20, 'x'));
  EXPECT_EQ(
      SendMessage("/gist.v1.GistService/Compress", request.SerializeAsString())
          .error_code(),
      grpc::StatusCode::RESOURCE_EXHAUSTED);
  ASSERT_NO_FATAL_FAILURE(ExpectAlive());
}

}  // namespace
}  // namespace gist
