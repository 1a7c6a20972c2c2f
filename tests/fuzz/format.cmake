gist_fuzz(fuzz/gguf_fuzz.cc LINK gist::format)
gist_fuzz(fuzz/safetensors_fuzz.cc LINK gist::format)
