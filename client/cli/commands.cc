#include "client/cli/commands.h"

#include <utility>

#include "client/terminal/files.h"
#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "core/base/status.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

// Prints a reply that is a line of its own and a remark on it.
absl::Status Report(const std::string& result, const std::string& remark) {
  GIST_RETURN_IF_ERROR(WriteStdout(result + "\n"));
  PrintNote(remark);
  return absl::OkStatus();
}

// What is about to be exported, in bytes: keys, values and text, not the
// header.
absl::StatusOr<int64_t> ExpectedBytes(const ExportArguments& arguments,
                                      const Session& session) {
  GIST_ASSIGN_OR_RETURN(const Context context,
                        session.client.GetContext(arguments.context_id));
  const bool text = context.has_text() && !arguments.without_text;
  return KvBytesOf(context) + (text ? context.document_bytes() : 0);
}

v1::Representation::Rung RungOf(std::string_view name) {
  return name == "full" ? v1::Representation::RUNG_FULL
                        : v1::Representation::RUNG_GIST;
}

v1::Storage StorageOf(std::string_view name) {
  if (name == "f16") return v1::STORAGE_F16;
  return name == "i8" ? v1::STORAGE_I8 : v1::STORAGE_UNSPECIFIED;
}

}  // namespace

absl::Status RunAdd(const AddArguments& arguments, Session& session) {
  GIST_ASSIGN_OR_RETURN(InputFile file,
                        InputFile::Open(arguments.file, session.stop));
  ProgressBar bar("sending", Unit::kBytes);
  int64_t bytes = 0;
  GIST_ASSIGN_OR_RETURN(const AddResult result,
                        session.client.AddDocument(
                            [&]() -> absl::StatusOr<std::string> {
                              GIST_ASSIGN_OR_RETURN(std::string chunk,
                                                    file.Read());
                              bytes += int64_t(chunk.size());
                              bar.Update(bytes, file.size_bytes().value_or(0));
                              return chunk;
                            },
                            {.retention = arguments.retention,
                             .request_id = arguments.request_id}));
  bar.Clear();
  session.reply = {{"context_id", result.context().context_id()}};
  session.reply.update(ToJson(result));
  if (session.json) return absl::OkStatus();
  return Report(result.context().context_id(), Summary(result));
}

absl::Status RunCompress(const CompressArguments& arguments, Session& session) {
  GIST_ASSIGN_OR_RETURN(InputFile file,
                        InputFile::Open(arguments.file, session.stop));
  CompressOptions options = {.gist_tokens = arguments.gist_tokens,
                             .rung = RungOf(arguments.rung),
                             .storage = StorageOf(arguments.storage),
                             .retention = arguments.retention,
                             .request_id = arguments.request_id};
  ProgressBar bar("reading", Unit::kTokens, 0);
  if (CanShowProgress()) {
    options.on_progress = [&bar](int64_t done, int64_t total) {
      bar.Update(done, total);
    };
  }
  GIST_ASSIGN_OR_RETURN(
      const CompressResult result,
      session.client.Compress([&file] { return file.Read(); }, options));
  bar.Clear();
  session.reply = {{"context_id", result.context().context_id()}};
  session.reply.update(ToJson(result));
  if (session.json) return absl::OkStatus();
  return Report(result.context().context_id(), Summary(result));
}

absl::Status RunAsk(const Question& question, Session& session) {
  const bool to_terminal = IsTerminal(stdout);
  std::string answer;
  const auto take = [&](std::string_view text) {
    answer += text;
    if (session.json) return absl::OkStatus();
    return WriteStdout(to_terminal ? WithoutControls(text) : std::string(text));
  };
  const absl::StatusOr<AskResult> result = session.client.Ask(question, take);
  // Also after an error: its message starts on a line of its own.
  if (!session.json && !answer.empty() && !answer.ends_with('\n')) {
    GIST_RETURN_IF_ERROR(WriteStdout("\n"));
  }
  GIST_RETURN_IF_ERROR(result.status());
  if (!session.json) PrintNote(Summary(*result));
  session.reply = AnswerJson(answer, question.context_ids, *result);
  return absl::OkStatus();
}

absl::Status RunCompare(const CompareArguments& arguments, Session& session) {
  StepLine line;
  GIST_ASSIGN_OR_RETURN(
      const Comparison comparison,
      session.client.Compare(arguments.question, arguments.modes,
                             [&line](Mode mode, int done, int total) {
                               line.Begin(fmt::format(
                                   "asking in mode {}, {} of {}",
                                   ModeName(mode), done + 1, total));
                             }));
  line.Clear();
  session.reply = ToJson(comparison);
  return session.json ? absl::OkStatus() : WriteStdout(Details(comparison));
}

absl::Status RunList(Session& session) {
  session.reply["contexts"] = Json::array();
  bool first = true;
  GIST_RETURN_IF_ERROR(session.client.ListContexts([&](const Context& context) {
    if (session.json) {
      session.reply["contexts"].push_back(ToJson(context));
      return absl::OkStatus();
    }
    const std::string header = std::exchange(first, false) ? TableHeader() : "";
    return WriteStdout(header + TableRow(context));
  }));
  if (first && !session.json) PrintNote("no contexts");
  return absl::OkStatus();
}

absl::Status RunGet(const std::string& context_id, Session& session) {
  GIST_ASSIGN_OR_RETURN(const Context context,
                        session.client.GetContext(context_id));
  session.reply = ToJson(context);
  return session.json ? absl::OkStatus() : WriteStdout(Details(context));
}

absl::Status RunDelete(const std::vector<std::string>& context_ids,
                       Session& session) {
  Json& deleted = session.reply["deleted"] = Json::array();
  for (const std::string& id : context_ids) {
    GIST_RETURN_IF_ERROR(session.client.DeleteContext(id));
    deleted.push_back(id);
    if (!session.json)
      GIST_RETURN_IF_ERROR(WriteStdout("deleted " + id + "\n"));
  }
  return absl::OkStatus();
}

absl::Status RunUpdate(const UpdateArguments& arguments, Session& session) {
  GIST_ASSIGN_OR_RETURN(
      const Context context,
      session.client.UpdateContext(arguments.context_id, arguments.retention));
  session.reply = ToJson(context);
  if (session.json) return absl::OkStatus();
  return WriteStdout(KeptUntil(context) + "\n");
}

absl::Status RunBackup(Session& session) {
  GIST_ASSIGN_OR_RETURN(const Backup backup, session.client.CreateBackup());
  session.reply = ToJson(backup);
  if (session.json) return absl::OkStatus();
  return Report(backup.name(),
                fmt::format("{} files, {}", FormatCount(backup.files()),
                            FormatBytes(backup.backup_bytes())));
}

absl::Status RunListBackups(Session& session) {
  GIST_ASSIGN_OR_RETURN(const auto backups, session.client.ListBackups());
  session.reply["backups"] = Json::array();
  std::string lines;
  for (const Backup& backup : backups) {
    session.reply["backups"].push_back(ToJson(backup));
    lines += fmt::format("{:16}  {}  {:>8}\n", backup.name(),
                         FormatTime(backup.created_unix_ms()),
                         FormatBytes(backup.backup_bytes()));
  }
  if (session.json) return absl::OkStatus();
  if (backups.empty()) PrintNote("no backups");
  return WriteStdout(lines);
}

absl::Status RunExport(const ExportArguments& arguments, Session& session) {
  GIST_ASSIGN_OR_RETURN(
      OutputFile file, OutputFile::Create(arguments.file, arguments.overwrite));
  GIST_ASSIGN_OR_RETURN(const int64_t expected,
                        ExpectedBytes(arguments, session));
  ProgressBar bar("exporting", Unit::kBytes);
  int64_t bytes = 0;
  GIST_RETURN_IF_ERROR(
      session.client.ExportContext(arguments.context_id, arguments.without_text,
                                   [&](std::string_view chunk) {
                                     bytes += int64_t(chunk.size());
                                     bar.Update(bytes, expected);
                                     return file.Write(chunk);
                                   }));
  GIST_RETURN_IF_ERROR(file.Commit());
  bar.Clear();
  session.reply = {{"context_id", arguments.context_id},
                   {"file", arguments.file},
                   {"file_bytes", bytes},
                   {"without_text", arguments.without_text}};
  if (session.json) return absl::OkStatus();
  return WriteStdout(
      fmt::format("wrote {}, {}\n", arguments.file, FormatBytes(bytes)));
}

absl::Status RunImport(const std::string& path, Session& session) {
  GIST_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path, session.stop));
  ProgressBar bar("importing", Unit::kBytes);
  int64_t bytes = 0;
  GIST_ASSIGN_OR_RETURN(
      const Context context,
      session.client.ImportContext([&]() -> absl::StatusOr<std::string> {
        GIST_ASSIGN_OR_RETURN(std::string chunk, file.Read());
        bytes += int64_t(chunk.size());
        bar.Update(bytes, file.size_bytes().value_or(0));
        return chunk;
      }));
  bar.Clear();
  session.reply = ToJson(context);
  if (session.json) return absl::OkStatus();
  return Report(context.context_id(), Summary(context));
}

absl::Status RunInfo(Session& session) {
  GIST_ASSIGN_OR_RETURN(const ServerInfo info, session.client.GetServerInfo());
  session.reply = ToJson(info);
  return session.json ? absl::OkStatus() : WriteStdout(Details(info));
}

absl::Status RunMask(const MaskArguments& arguments, Session& session) {
  GIST_ASSIGN_OR_RETURN(
      OutputFile file, OutputFile::Create(arguments.file, arguments.overwrite));
  const std::string svg = DrawMaskSvg(arguments.shape);
  GIST_RETURN_IF_ERROR(file.Write(svg));
  GIST_RETURN_IF_ERROR(file.Commit());
  session.reply = {{"file", arguments.file}, {"file_bytes", svg.size()}};
  if (session.json) return absl::OkStatus();
  return WriteStdout(fmt::format("wrote {}, {}\n", arguments.file,
                                 FormatBytes(int64_t(svg.size()))));
}

}  // namespace gist::client
