// What the work of a call adds to the metrics and to the call's line in the
// log.
#pragma once

#include "server/serving/compare.h"
#include "server/serving/pipeline.h"
#include "server/telemetry/call_record.h"
#include "server/telemetry/metrics.h"

namespace gist {

// As metrics and log name it.
const char* NameOf(AskMode mode);

void RecordWork(const AddResult& result, CallRecord& record, Metrics& metrics);
void RecordWork(const CompressResult& result, CallRecord& record,
                Metrics& metrics);
void RecordWork(const AskResult& result, CallRecord& record, Metrics& metrics);
void RecordWork(const Comparison& comparison, CallRecord& record,
                Metrics& metrics);

}  // namespace gist
