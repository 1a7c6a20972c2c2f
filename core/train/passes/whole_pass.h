// The write pass by its definition: text and gists through all layers together,
// nothing cached, with gradients to the adapter wherever it acts.
#pragma once

#include <span>

#include "core/train/passes/base_weights.h"
#include "core/train/passes/document.h"
#include "core/train/passes/gist_writer.h"
#include "core/train/trainer.h"

namespace gist {

// The gists of all documents. With layout.lora_everywhere (lora_scope "all")
// LoRA acts on the text too, though not on the shared prefix, and reads it anew
// for each adapter: slow, and what the ordinary adapter is measured against.
// Without it the result equals WriteGists, which is how that is proven.
WrittenGists WriteGistsWhole(const BaseWeights& model, const GistLayout& layout,
                             std::span<const TrainDocument> documents,
                             const Adapter::Impl& adapter);

// By the pass that `layout` wants: WriteGistsWhole with lora_everywhere, else
// the fast one.
WrittenGists WriteGists(const BaseWeights& model, const GistLayout& layout,
                        std::span<const TrainDocument> documents,
                        const Adapter::Impl& adapter);

}  // namespace gist
