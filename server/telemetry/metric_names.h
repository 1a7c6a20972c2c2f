// Every metric that gistd exports: name, type, labels, meaning. docs/metrics.md
// is this list as a table; a test compares the two, and both with the page.
#pragma once

#include <array>

namespace gist {

struct MetricName {
  const char* name;
  const char* type;    // "counter", "gauge" or "histogram"
  const char* labels;  // in order, with a space between; "": none
  const char* help;
};

namespace metric {

// Requests.
inline constexpr MetricName kRequests = {
    "gist_requests_total", "counter", "rpc code",
    "Calls that ended, by gRPC status code"};
inline constexpr MetricName kDuration = {
    "gist_request_duration_seconds", "histogram", "rpc mode",
    "From a call's arrival to its end, whatever its end"};
inline constexpr MetricName kQueue = {
    "gist_request_queue_seconds", "histogram", "rpc mode",
    "Wait for the engine, of answers and compressions that were made"};
inline constexpr MetricName kPrefill = {
    "gist_request_prefill_seconds", "histogram", "rpc mode",
    "In the engine, reading what is asked about or compressed"};
inline constexpr MetricName kFirstToken = {
    "gist_time_to_first_token_seconds", "histogram", "rpc mode",
    "From an Ask's arrival to the first token of its answer"};
inline constexpr MetricName kTokenGap = {
    "gist_inter_token_seconds", "histogram", "rpc mode",
    "Between a token of an answer and the one before"};
inline constexpr MetricName kRunning = {"gist_requests_running", "gauge",
                                        "lane", "Jobs that use the engine"};
inline constexpr MetricName kWaiting = {
    "gist_requests_waiting", "gauge", "lane", "Jobs that wait for the engine"};
inline constexpr MetricName kMaxRequests = {
    "gist_requests_limit", "gauge", "",
    "Jobs that may wait and run at a time, all lanes together"};
inline constexpr MetricName kRejected = {
    "gist_requests_rejected_total", "counter", "reason",
    "Calls refused by a limit of this server before work was done"};

// Tokens and what is kept of documents.
inline constexpr MetricName kPromptTokens = {
    "gist_prompt_tokens_total", "counter", "mode",
    "Prefix, gists, document text and question of answers"};
inline constexpr MetricName kAnswerTokens = {
    "gist_answer_tokens_total", "counter", "mode", "Tokens decoded"};
inline constexpr MetricName kAnswerKv = {
    "gist_answer_kv_bytes", "histogram", "mode",
    "Keys and values that stood for an answer's documents, 16 bits a value"};
inline constexpr MetricName kFullKv = {
    "gist_answer_full_context_kv_bytes", "histogram", "mode",
    "What the same documents would have taken as full text"};
inline constexpr MetricName kDocuments = {
    "gist_documents_compressed_total", "counter", "",
    "Documents whose gists were computed"};
inline constexpr MetricName kDocumentTokens = {
    "gist_document_tokens_total", "counter", "",
    "Tokens of documents whose gists were computed"};
inline constexpr MetricName kRatio = {
    "gist_compression_ratio", "histogram", "",
    "A document's tokens for each of its gists"};
inline constexpr MetricName kGistBytes = {
    "gist_gist_bytes", "histogram", "",
    "Keys and values of a document's gists, as they are stored"};

// Store and caches.
inline constexpr MetricName kContexts = {"gist_contexts", "gauge", "",
                                         "Contexts in the store"};
inline constexpr MetricName kRemovedContexts = {
    "gist_contexts_removed_total", "counter", "reason",
    "Contexts that nobody deleted by hand"};
inline constexpr MetricName kStoreOperations = {"gist_store_operations_total",
                                                "counter", "op result",
                                                "Operations on the store"};
inline constexpr MetricName kStoreSeconds = {
    "gist_store_operation_seconds", "histogram", "op",
    "Time of an operation on the store"};
inline constexpr MetricName kStoreRead = {
    "gist_store_read_bytes_total", "counter", "",
    "Texts, gists and chunk indexes read from the store"};
inline constexpr MetricName kStoreWritten = {
    "gist_store_written_bytes_total", "counter", "",
    "Texts, gists and chunk indexes written to the store"};
inline constexpr MetricName kCacheLookups = {
    "gist_cache_lookups_total", "counter", "tier result",
    "Work looked for before it is done: gists and chunk indexes in the store, "
    "keys and values in memory"};
inline constexpr MetricName kCacheBytes = {
    "gist_sequence_cache_bytes", "gauge", "",
    "Keys and values of texts read lately, in memory"};
inline constexpr MetricName kCacheLimit = {"gist_sequence_cache_limit_bytes",
                                           "gauge", "", "Their limit"};
inline constexpr MetricName kDataBytes = {
    "gist_data_bytes", "gauge", "part", "Size of the files in the data folder"};
inline constexpr MetricName kDiskFree = {
    "gist_disk_free_bytes", "gauge", "",
    "Free space of the data folder's file system"};
inline constexpr MetricName kDiskSize = {
    "gist_disk_size_bytes", "gauge", "",
    "Size of the data folder's file system"};

// Training.
inline constexpr MetricName kTrainSteps = {"gist_train_steps_total", "counter",
                                           "", "Optimizer steps"};
inline constexpr MetricName kTrainLoss = {
    "gist_train_loss", "gauge", "",
    "Of the latest step, natural logarithm; absent before the first"};
inline constexpr MetricName kTrainSpeed = {
    "gist_train_tokens_per_second", "gauge", "",
    "Tokens that training goes through, at the latest step; 0 between "
    "trainings"};
inline constexpr MetricName kTrainingsEnded = {
    "gist_trainings_ended_total", "counter", "state",
    "Trainings that ended or were interrupted"};
inline constexpr MetricName kTrainingsQueued = {
    "gist_trainings_queued", "gauge", "", "Trainings that wait"};
inline constexpr MetricName kTrainingsRunning = {
    "gist_trainings_running", "gauge", "", "Trainings that run"};

// Memory and build.
inline constexpr MetricName kResident = {
    "gist_process_resident_memory_bytes", "gauge", "",
    "Memory of the process that is resident"};
inline constexpr MetricName kPeak = {
    "gist_process_peak_memory_bytes", "gauge", "",
    "The most that was resident since the start"};
inline constexpr MetricName kHeap = {
    "gist_process_heap_bytes", "gauge", "",
    "Memory that malloc has handed out and not got back"};
inline constexpr MetricName kMemoryLimit = {
    "gist_process_memory_limit_bytes", "gauge", "",
    "What the process may have: of its control group, or of the machine"};
inline constexpr MetricName kDeviceMemory = {
    "gist_device_memory_bytes", "gauge", "device component",
    "Memory of the GPU by what uses it; absent on a CPU"};
inline constexpr MetricName kDeviceUsed = {
    "gist_device_memory_used_bytes", "gauge", "device",
    "Memory of the GPU in use by all processes; absent on a CPU"};
inline constexpr MetricName kDeviceSize = {
    "gist_device_memory_size_bytes", "gauge", "device",
    "Memory that the GPU has; absent on a CPU"};
inline constexpr MetricName kAdapterLoaded = {
    "gist_adapter_loaded", "gauge", "",
    "1 while a gist adapter is in use, 0 without one"};
inline constexpr MetricName kReady = {
    "gist_ready", "gauge", "",
    "1 while the server takes calls, 0 before that and while it stops"};
inline constexpr MetricName kBuild = {"gist_build_info", "gauge",
                                      "version model fingerprint device",
                                      "1, with what runs as labels"};

inline constexpr std::array kAll = {kRequests,
                                    kDuration,
                                    kQueue,
                                    kPrefill,
                                    kFirstToken,
                                    kTokenGap,
                                    kRunning,
                                    kWaiting,
                                    kMaxRequests,
                                    kRejected,
                                    kPromptTokens,
                                    kAnswerTokens,
                                    kAnswerKv,
                                    kFullKv,
                                    kDocuments,
                                    kDocumentTokens,
                                    kRatio,
                                    kGistBytes,
                                    kContexts,
                                    kRemovedContexts,
                                    kStoreOperations,
                                    kStoreSeconds,
                                    kStoreRead,
                                    kStoreWritten,
                                    kCacheLookups,
                                    kCacheBytes,
                                    kCacheLimit,
                                    kDataBytes,
                                    kDiskFree,
                                    kDiskSize,
                                    kTrainSteps,
                                    kTrainLoss,
                                    kTrainSpeed,
                                    kTrainingsEnded,
                                    kTrainingsQueued,
                                    kTrainingsRunning,
                                    kResident,
                                    kPeak,
                                    kHeap,
                                    kMemoryLimit,
                                    kDeviceMemory,
                                    kDeviceUsed,
                                    kDeviceSize,
                                    kAdapterLoaded,
                                    kReady,
                                    kBuild};

}  // namespace metric
}  // namespace gist
