gist_fuzz(fuzz/tokenizer_fuzz.cc LINK gist::text)
gist_fuzz(fuzz/tokenizer_json_fuzz.cc LINK gist::text)
gist_fuzz(fuzz/chat_template_fuzz.cc LINK gist::text)
gist_fuzz(fuzz/hf_config_fuzz.cc LINK gist::hf)
