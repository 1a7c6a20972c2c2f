// What train tests share: the tiny model, read documents, a small recipe.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/model/base_model.h"
#include "core/model/device.h"
#include "core/train/passes/base_weights.h"
#include "core/train/passes/document.h"
#include "core/train/trainer.h"

namespace gist {

inline constexpr char kTinyModel[] = "tests/data/tiny/tiny.f32.gguf";

// On one thread: for a model this small a second one only costs, and on a busy
// machine a lot.
inline BaseModel LoadTinyModel() {
  SetThreads(1);
  auto model = LoadBaseModel(kTinyModel, "cpu");
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

// A document of exactly these tokens; what its last segment lacks is padded.
inline TrainDocument ReadDocument(const BaseWeights& model,
                                  std::vector<int32_t> ids, int segment_tokens,
                                  int gist_tokens,
                                  at::ScalarType type = at::kHalf) {
  TrainDocument document;
  document.tokens = int(ids.size());
  document.ids = ids;
  document.gist_tokens = gist_tokens;
  const size_t size = size_t(segment_tokens);
  ids.resize((ids.size() + size - 1) / size * size, 5);
  for (size_t at = 0; at < ids.size(); at += size) {
    document.segments.push_back(ReadSegments(
        model, std::span(ids).subspan(at, size), segment_tokens, type)[0]);
  }
  return document;
}

}  // namespace gist
