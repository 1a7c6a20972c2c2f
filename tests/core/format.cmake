gist_test(core/format/dequantize_test.cc LABELS unit LINK gist::format)
gist_test(core/format/gguf_test.cc LABELS unit LINK gist::format)
gist_test(core/format/mapped_file_test.cc LABELS unit LINK gist::format)
gist_test(core/format/safetensors_test.cc LABELS unit LINK gist::format)
