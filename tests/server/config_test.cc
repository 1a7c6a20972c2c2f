#include "server/config.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/installation.h"
#include "gtest/gtest.h"
#include "server/settings.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::AllOf;
using testing::HasSubstr;

absl::StatusOr<CommandLine> Parse(std::vector<const char*> arguments,
                                  std::vector<const char*> environment = {}) {
  arguments.insert(arguments.begin(), "gistd");
  environment.push_back(nullptr);
  return ParseCommandLine(int(arguments.size()), arguments.data(),
                          environment.data());
}

// The config of a command line that serves, or a failed test.
Config Parsed(std::vector<const char*> arguments,
              std::vector<const char*> environment = {}) {
  const auto parsed = Parse(std::move(arguments), std::move(environment));
  EXPECT_THAT(parsed, IsOk());
  const Config* const config =
      parsed.ok() ? std::get_if<Config>(&*parsed) : nullptr;
  EXPECT_NE(config, nullptr);
  return config == nullptr ? Config() : *config;
}

absl::Status Apply(const std::string& yaml) {
  Config config;
  return ApplyYaml(yaml, "gistd.yml", config);
}

TEST(ConfigTest, DefaultsServeLoopbackOnly) {
  const Config config = Parsed({});
  EXPECT_EQ(config.listen, "127.0.0.1:50051");
  EXPECT_EQ(config.admin, "127.0.0.1:9090");
  EXPECT_EQ(config.data_dir, "./gistd-data");
  EXPECT_EQ(config.limits.max_document_bytes, 67108864);
  EXPECT_EQ(config.limits.max_document_tokens, 262144);
}

TEST(ConfigTest, ModelAndAdapterLieInTheInstallation) {
  ASSERT_EQ(setenv("GIST_HOME", "/opt/gistd", 1), 0);
  EXPECT_EQ(Parsed({}).model,
            "/opt/gistd/third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf");
  EXPECT_EQ(Parsed({}).adapter, "auto");
  EXPECT_EQ(Parsed({}).answer_adapter, "auto");
  EXPECT_EQ(Parsed({}).presets, "/opt/gistd/adapters/presets");
  EXPECT_EQ(Parsed({}).embedder,
            "/opt/gistd/third_party/models/multilingual-e5-small");
  EXPECT_EQ(Parsed({"--embedder", "e5"}).embedder, Parsed({}).embedder);
  EXPECT_EQ(Parsed({"--embedder", "minilm"}).embedder,
            "/opt/gistd/third_party/models/all-MiniLM-L6-v2");
  EXPECT_EQ(Parsed({"--embedder", "./e5"}).embedder, "./e5");
  ASSERT_EQ(unsetenv("GIST_HOME"), 0);
  EXPECT_NE(InstallationFolder(), "/opt/gistd");
}

TEST(ConfigTest, FlagsOverrideTheFileAndTheFileTheDefaults) {
  const TempDir dir;
  const std::string path = dir / "gistd.yml";
  std::ofstream(path) << "listen: 127.0.0.1:1\nadmin: off\nthreads: 3\n"
                         "limits:\n  max_queue: 5\n";
  const Config config = Parsed({"--config", path.c_str(), "--listen",
                                "127.0.0.1:2", "--max-document-bytes", "77"});
  EXPECT_EQ(config.listen, "127.0.0.1:2");
  EXPECT_EQ(config.admin, "off");
  EXPECT_EQ(config.threads, 3);
  EXPECT_EQ(config.limits.max_queue, 5);
  EXPECT_EQ(config.limits.max_document_bytes, 77);
  EXPECT_EQ(config.data_dir, Config().data_dir);
}

TEST(ConfigTest, WhatCheckConfigPrintsReadsBackToTheSame) {
  const auto printed =
      Parse({"--check-config", "--admin", "off", "--model", "a: b #c",
             "--threads", "7", "--weights", "quantized"});
  ASSERT_THAT(printed, IsOk());
  const std::string yaml = std::get<std::string>(*printed);
  EXPECT_THAT(yaml, AllOf(HasSubstr("admin: off"), HasSubstr("threads: 7")));
  Config config;
  ASSERT_THAT(ApplyYaml(yaml, "printed", config), IsOk());
  EXPECT_EQ(config.model, "a: b #c");
  EXPECT_EQ(config.weights, "quantized");
  EXPECT_EQ(ToYaml(config), yaml);
}

TEST(ConfigTest, TheAdapterFlagComesBeforeWhatWasPromoted) {
  EXPECT_TRUE(Parsed({}).promoted_adapter);
  EXPECT_FALSE(Parsed({"--adapter", "some/folder"}).promoted_adapter);
}

TEST(ConfigTest, AModelOfAHubHasOneForm) {
  EXPECT_EQ(Parsed({"--model", "hf:owner/name:a.gguf"}).model,
            "hf:owner/name:a.gguf");
  EXPECT_THAT(Parse({"--model", "hf:owner"}),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("--model is \"hf:owner\", want a GGUF file")));
}

TEST(ConfigTest, TheLogHasTwoFormats) {
  EXPECT_EQ(Parsed({}).log_format, "text");
  EXPECT_EQ(Parsed({"--log-format", "json"}).log_format, "json");
  EXPECT_THAT(Apply("log_format: json\n"), IsOk());
  EXPECT_THAT(
      Parse({"--log-format", "xml"}),
      StatusIs(StatusCode::kInvalidArgument,
               HasSubstr("--log-format is \"xml\", want text or json")));
}

TEST(ConfigTest, AnEmptyFileChangesNothing) {
  EXPECT_THAT(Apply(""), IsOk());
  EXPECT_THAT(Apply("# only a comment\n"), IsOk());
  const TempDir dir;
  const std::string path = dir / "empty.yml";
  std::ofstream(path).flush();
  EXPECT_EQ(Parsed({"--config", path.c_str()}).listen, Config().listen);
}

struct BadYaml {
  const char* name;
  const char* yaml;
  const char* message;
};

class BadYamlTest : public testing::TestWithParam<BadYaml> {};

TEST_P(BadYamlTest, IsRefusedWithFileAndLine) {
  EXPECT_THAT(Apply(GetParam().yaml), StatusIs(StatusCode::kInvalidArgument,
                                               HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadYamlTest,
    testing::Values(
        BadYaml{"UnknownKey", "listen: 127.0.0.1:1\nlissten: x\n",
                "gistd.yml:2: unknown key \"lissten\"; did you mean "
                "\"listen\"? gistd --help lists all settings"},
        BadYaml{"UnknownLimit", "limits:\n  max_qeue: 1\n",
                "gistd.yml:2: unknown key \"max_qeue\"; did you mean "
                "\"max_queue\" below \"limits\"?"},
        BadYaml{"LimitAtTheTop", "max_queue: 1\n",
                "did you mean \"max_queue\" below \"limits\"?"},
        BadYaml{"NothingNear", "temperature: 1\n",
                "unknown key \"temperature\"; gistd --help lists"},
        BadYaml{"LimitsInLimits", "limits:\n  limits: {}\n",
                "unknown key \"limits\""},
        BadYaml{"FlagOnly", "restore: backup\n", "unknown key \"restore\""},
        BadYaml{"TwiceAKey", "threads: 1\nthreads: 2\n",
                "gistd.yml:2: the key \"threads\" comes twice"},
        BadYaml{"Text", "threads: many\n",
                "gistd.yml:1: threads is \"many\", want an integer of 0 or "
                "more; docs/settings.md"},
        BadYaml{"Fraction", "threads: 1.5\n", "threads is \"1.5\""},
        BadYaml{"TooLarge", "threads: 99999999999\n", "want an integer"},
        BadYaml{"OutOfBounds", "limits:\n  max_queue: 0\n",
                "gistd.yml:2: max_queue is \"0\", want an integer of 1"},
        BadYaml{"List", "listen: [a, b]\n",
                "listen is not a single value, want HOST:PORT"},
        BadYaml{"NoValue", "listen:\n", "listen is not a single value"},
        BadYaml{"NotABool", "insecure_listen: perhaps\n",
                "insecure_listen is \"perhaps\", want true or false"},
        BadYaml{"LimitsNoMap", "\nlimits: 3\n",
                "gistd.yml:2: want a map of keys"},
        BadYaml{"NoMap", "- a\n- b\n", "gistd.yml:1: want a map of keys"},
        BadYaml{"NoYaml", "a: [1\nb: }", "not YAML"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ConfigTest, MissingFilesAreNamed) {
  EXPECT_THAT(
      Parse({"--config", "/nonexistent/gistd.yml"}),
      StatusIs(StatusCode::kNotFound, HasSubstr("/nonexistent/gistd.yml")));
  EXPECT_THAT(Parse({"--config", "/"}),
              StatusIs(StatusCode::kNotFound, HasSubstr("is a folder")));
}

TEST(ConfigTest, OthersAreLetInOnPurposeOnly) {
  for (const char* listen :
       {"0.0.0.0:1", "[::]:1", "192.168.0.1:1", "example.org:1",
        "127.evil.example:1", "127.0.0.1.example:1"}) {
    EXPECT_THAT(
        Parse({"--listen", listen}),
        StatusIs(StatusCode::kInvalidArgument, HasSubstr("--insecure-listen")))
        << listen;
    EXPECT_EQ(Parsed({"--listen", listen, "--insecure-listen"}).listen, listen);
  }
  for (const char* listen :
       {"127.0.0.1:0", "127.9.9.9:1", "localhost:1", "[::1]:1"}) {
    EXPECT_EQ(Parsed({"--listen", listen}).listen, listen);
  }
}

TEST(ConfigTest, AddressesWithoutAPortAreRefused) {
  for (const char* listen : {"127.0.0.1", ":1", "127.0.0.1:", "127.0.0.1:x",
                             "127.0.0.1:65536", "127.0.0.1:-1", "::1:1", ""}) {
    EXPECT_THAT(Parse({"--listen", listen}),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr("HOST:PORT")))
        << listen;
  }
  EXPECT_THAT(Parse({"--admin", "on"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("or off")));
}

TEST(ConfigTest, NumbersOutOfRangeAreRefused) {
  EXPECT_THAT(
      Parse({"--max-queue", "0"}),
      StatusIs(
          StatusCode::kInvalidArgument,
          HasSubstr("--max-queue is \"0\", want an integer of 1 or more")));
  EXPECT_THAT(Parse({"--weights", "int4"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("int4")));
  EXPECT_THAT(Parse({"--threads", "-1"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("threads")));
  EXPECT_THAT(
      Parse({"--max-document-bytes", "many"}),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("docs/settings.md")));
  EXPECT_THAT(Parse({"--max-document-bytes"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("--help")));
  Config config;
  config.shutdown_grace_seconds = -1;
  EXPECT_THAT(CheckConfig(config), StatusIs(StatusCode::kInvalidArgument, _));
  config = Config();
  config.limits.max_running_asks = 0;
  EXPECT_THAT(CheckConfig(config), StatusIs(StatusCode::kInvalidArgument, _));
  config = Config();
  config.limits.max_queued_trainings = 0;
  EXPECT_THAT(CheckConfig(config), StatusIs(StatusCode::kInvalidArgument, _));
}

TEST(ConfigTest, UnknownFlagsAreRefused) {
  EXPECT_THAT(Parse({"--lissten", "x"}),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("unknown argument \"--lissten\"; did you mean "
                                 "--listen?")));
  EXPECT_THAT(
      Parse({"--max-kv-byte=1"}),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("--max-kv-bytes?")));
  EXPECT_THAT(Parse({"stray"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("\"stray\"")));
  EXPECT_FALSE(Parse({"-"}).ok());
}

TEST(ConfigTest, HelpShowsAnExampleAndVersionANumber) {
  EXPECT_THAT(std::get<std::string>(*Parse({"--help"})),
              AllOf(HasSubstr("Example:"), HasSubstr("--check-config")));
  EXPECT_THAT(std::get<std::string>(*Parse({"--version"})),
              testing::MatchesRegex("gistd [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

// Without TLS, or where nobody is asked, the port stays on loopback.
TEST(ConfigTest, LeavingLoopbackTakesTlsAndAWayToTellCallers) {
  const std::vector<const char*> all = {"--listen", "0.0.0.0:50051"};
  const auto with = [&all](std::vector<const char*> more) {
    more.insert(more.begin(), all.begin(), all.end());
    return Parse(more);
  };
  const std::vector<const char*> tls = {"--tls-cert", "c.pem", "--tls-key",
                                        "k.pem"};
  EXPECT_THAT(with({}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("unencrypted")));
  EXPECT_THAT(with({"--auth-file", "tokens"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("unencrypted")));
  EXPECT_THAT(with(tls), StatusIs(StatusCode::kInvalidArgument,
                                  HasSubstr("may do everything")));
  for (const auto& [flag, value] :
       {std::pair("--auth-file", "tokens"), {"--tls-client-ca", "ca.pem"}}) {
    auto more = tls;
    more.insert(more.end(), {flag, value});
    EXPECT_THAT(with(more), IsOk()) << flag;
  }
  EXPECT_THAT(with({"--insecure-listen"}), IsOk());
}

// yaml-cpp by itself does not write a carriage return so that it comes back.
TEST(ConfigTest, AnyNameComesBackFromItsOwnYaml) {
  for (const std::string name :
       {"a\rb", "a\r\nb", "a\tb", "\x01", " a: #", "~"}) {
    Config config, again;
    config.data_dir = name;
    EXPECT_THAT(ApplyYaml(ToYaml(config), "gistd.yml", again), IsOk()) << name;
    EXPECT_EQ(again.data_dir, name);
  }
}

TEST(ConfigTest, SecurityFlagsThatDoNotGoTogetherAreRefused) {
  const std::vector<std::vector<const char*>> wrong = {
      {"--tls-cert", "c.pem"},
      {"--tls-key", "k.pem"},
      {"--tls-client-ca", "ca.pem"},
      {"--channelz", "--auth-file", "tokens"}};
  for (const auto& arguments : wrong) {
    EXPECT_THAT(Parse(arguments), StatusIs(StatusCode::kInvalidArgument, _))
        << arguments[0];
  }
  const Config config = Parsed(
      {"--tls-cert", "c.pem", "--tls-key", "k.pem", "--tls-client-ca", "ca.pem",
       "--auth-file", "tokens", "--open-health", "--open-reflection"});
  EXPECT_EQ(config.tls_client_ca, "ca.pem");
  EXPECT_TRUE(config.open_health && config.open_reflection);
  Config again;
  EXPECT_THAT(ApplyYaml(ToYaml(config), "gistd.yml", again), IsOk());
  EXPECT_EQ(ToYaml(again), ToYaml(config));
}

// Of one member a value that differs from its default.
std::string OtherValue(const Setting& setting) {
  if (std::holds_alternative<bool Config::*>(setting.field)) {
    return ValueOf(setting, Config()) == "true" ? "false" : "true";
  }
  if (setting.kind.accepts == nullptr) return "7";
  for (const char* text : {"127.0.0.1:7", "bfloat16", "json"}) {
    if (setting.kind.accepts(text)) return text;
  }
  ADD_FAILURE() << setting.name;
  return "";
}

TEST(SettingsTest, EachComesByFlagAndFileAndEnvironment) {
  for (const SettingGroup& group : SettingGroups()) {
    for (const Setting& setting : group.settings) {
      const std::string value = OtherValue(setting);
      const bool is_switch =
          std::holds_alternative<bool Config::*>(setting.field);
      Config config;
      ASSERT_THAT(SetValue(setting, value, "test", config), IsOk());
      EXPECT_EQ(ValueOf(setting, config), value) << setting.name;
      Config again;
      if (setting.flag_only) continue;
      EXPECT_THAT(ApplyYaml(ToYaml(config), "a.yml", again), IsOk());
      EXPECT_EQ(ValueOf(setting, again), value) << setting.name;
      again = Config();
      const std::string entry = VariableOf(setting.name) + "=" + value;
      const char* const environment[] = {entry.c_str(), nullptr};
      EXPECT_THAT(ApplyEnvironment(environment, again), IsOk());
      EXPECT_EQ(ValueOf(setting, again), value) << setting.name;
      const std::string flag = FlagOf(setting.name) + "=" + value;
      // The combination may be refused, but not the flag.
      const auto parsed = Parse({flag.c_str(), "--insecure-listen",
                                 "--tls-cert", "c", "--tls-key", "k"});
      if (std::string_view(setting.name).starts_with("tls_") || is_switch) {
        continue;
      }
      ASSERT_THAT(parsed, IsOk()) << flag;
      EXPECT_EQ(ValueOf(setting, std::get<Config>(*parsed)), value);
    }
  }
}

TEST(SettingsTest, SwitchesTakeAValueOrNone) {
  EXPECT_TRUE(Parsed({"--open-health"}).open_health);
  EXPECT_TRUE(Parsed({"--open-health=true"}).open_health);
  EXPECT_FALSE(
      Parsed({"--open-health=false"}, {"GISTD_OPEN_HEALTH=1"}).open_health);
  EXPECT_TRUE(Parsed({}, {"GISTD_OPEN_HEALTH=true"}).open_health);
  EXPECT_FALSE(Parsed({}, {"GISTD_PROMOTED_ADAPTER=0"}).promoted_adapter);
  EXPECT_TRUE(
      Parsed({"--adapter", "a", "--promoted-adapter"}).promoted_adapter);
}

TEST(SettingsTest, TheEnvironmentIsBetweenFileAndFlags) {
  const TempDir dir;
  const std::string path = dir / "gistd.yml";
  std::ofstream(path) << "threads: 1\nlimits:\n  max_queue: 1\n"
                         "  max_contexts: 1\n";
  const std::string file = "GISTD_CONFIG=" + path;
  const Config config =
      Parsed({"--max-queue", "3"},
             {"GISTD_MAX_QUEUE=2", file.c_str(), "GISTD_THREADS=2", "HOME=/"});
  EXPECT_EQ(config.limits.max_contexts, 1);
  EXPECT_EQ(config.threads, 2);
  EXPECT_EQ(config.limits.max_queue, 3);
}

TEST(SettingsTest, AnUnknownVariableIsRefusedByName) {
  EXPECT_THAT(Parse({}, {"GISTD_LISSTEN=127.0.0.1:1"}),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("unknown environment variable GISTD_LISSTEN; "
                                 "did you mean GISTD_LISTEN?")));
  EXPECT_FALSE(Parse({}, {"GISTD_RESTORE=folder"}).ok());
  EXPECT_THAT(Parse({}, {"GISTD_MAX_QUEUE=none"}),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("GISTD_MAX_QUEUE is \"none\", want")));
  // A service called gistd, as Kubernetes tells its pods.
  EXPECT_THAT(Parse({}, {"GISTD_SERVICE_HOST=10.0.0.1", "GISTD_SERVICE_PORT=1",
                         "GISTD_PORT=tcp://10.0.0.1:50051",
                         "GISTD_PORT_50051_TCP_ADDR=10.0.0.1", "GIST_HOME=/x"}),
              IsOk());
  EXPECT_FALSE(Parse({}, {"GISTD_PORT=50051"}).ok());
}

TEST(SettingsTest, NumbersAreDecimal) {
  for (const char* text : {"0x10", "010", "1e2", "1.0", "", " 1", "1 ", "+1",
                           "9223372036854775808", "-1"}) {
    EXPECT_FALSE(Parse({"--max-kv-bytes", text}).ok()) << text;
  }
  for (const char* text : {"nan", "inf", "0x1p3", "01.5", "-1", "1e300", ""}) {
    EXPECT_FALSE(Parse({"--drain-seconds", text}).ok()) << text;
  }
  EXPECT_EQ(Parsed({"--drain-seconds", "0.25"}).drain_seconds, 0.25);
  EXPECT_EQ(
      Parsed({"--max-kv-bytes", "9223372036854775807"}).limits.max_kv_bytes,
      INT64_MAX);
}

// Hidden until 0.1.0.
TEST(SettingsTest, TheAnswerAdapterHasAnOldName) {
  EXPECT_EQ(Parsed({"--reader", "off"}).answer_adapter, "off");
  EXPECT_EQ(Parsed({}, {"GISTD_READER=a"}).answer_adapter, "a");
  Config config;
  EXPECT_THAT(ApplyYaml("reader: b\n", "a.yml", config), IsOk());
  EXPECT_EQ(config.answer_adapter, "b");
  EXPECT_THAT(ToYaml(config), HasSubstr("\nanswer_adapter: b\n"));
  EXPECT_THAT(std::get<std::string>(*Parse({"--help"})),
              testing::Not(HasSubstr("--reader")));
}

TEST(SettingsTest, ThePageHasTheTables) {
  const std::string page = ReadFile("docs/settings.md");
  ASSERT_FALSE(page.empty()) << "run in the repository's root";
  const std::string tables =
      std::get<std::string>(*Parse({"--settings-markdown"}));
  EXPECT_TRUE(page.ends_with(tables))
      << "gistd --settings-markdown prints the end of the page:\n"
      << tables;
}

}  // namespace
}  // namespace gist
