// The gist pass by its definition: text and gists through all layers together,
// without caches. It is the plain reference of gist_writer.h, with gradients to
// the adapter.
#pragma once

#include <span>

#include "core/train/passes/base_weights.h"
#include "core/train/passes/document.h"
#include "core/train/passes/gist_writer.h"
#include "core/train/trainer.h"

namespace gist {

// The gists of all documents. With layout.lora_everywhere (lora_scope "all")
// LoRA also acts on the text, though not on the shared prefix. The text is then
// prefilled again for each adapter, which is slow; it is a comparison for the
// ordinary adapter. Without lora_everywhere the result equals WriteGists.
WrittenGists WriteGistsWhole(const BaseWeights& model, const GistLayout& layout,
                             std::span<const TrainDocument> documents,
                             const Adapter::Impl& adapter);

// WriteGistsWhole with layout.lora_everywhere, else the fast pass.
WrittenGists WriteGists(const BaseWeights& model, const GistLayout& layout,
                        std::span<const TrainDocument> documents,
                        const Adapter::Impl& adapter);

}  // namespace gist
