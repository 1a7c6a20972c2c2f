#!/usr/bin/env bash
# Writes the seeds in tests/fuzz/corpus/request: a byte that says which request it
# is (request_fuzz.cc), then the message. Needs protoc.
set -euo pipefail
cd "$(dirname "$0")/../.."
corpus=tests/fuzz/corpus/request
# seed NAME KIND MESSAGE TEXT
seed() {
  printf "\\x0$2" >"$corpus/$1"
  printf '%s' "$4" | protoc --proto_path=proto --encode="gist.v1.$3" gist/v1/gist.proto >>"$corpus/$1"
}
seed compress 0 CompressRequest 'text: "The secret passkey is XYZ789 ." representation { rung: RUNG_GIST gist_tokens: 4 }'
seed compress_kept 0 CompressRequest 'text: "short" retention { ttl_seconds: 60 pinned: true }'
seed compress_until 0 CompressRequest 'text: "short" retention { expire_unix_ms: 1760000100000 }'
seed compress_reserved 0 CompressRequest 'text: "short" representation { rung: RUNG_SELECTED ratio: 8 storage: STORAGE_I4 } retention { max_ratio: 8 }'
seed ask 1 AskRequest 'context_ids: "" question: "What?" max_tokens: 5 temperature: 0.5 top_k: 3 top_p: 0.9 seed: 7'
seed ask_rag 1 AskRequest 'context_ids: "" question: "What?" mode: MODE_RAG retrieval { top_k: 2 ef: 8 chunk_tokens: 20 overlap_tokens: 5 }'
seed ask_all 1 AskRequest 'question: "What?" mode: MODE_RAG retrieval { top_k: 2 }'
seed ask_lexical 1 AskRequest 'context_ids: "" question: "What?" mode: MODE_RAG retrieval { ranking: RANKING_LEXICAL }'
seed ask_full 1 AskRequest 'context_ids: ["", ""] question: "What?" mode: MODE_FULL'
seed ask_reserved 1 AskRequest 'context_ids: "" question: "What?" mode: MODE_AUTO answer_adapter: ANSWER_ADAPTER_ON'
seed compare 2 CompareRequest 'context_ids: "ctx_00000000000000000000000000000000" question: "What?" modes: [MODE_GIST, MODE_HYBRID]'
seed update 3 UpdateContextRequest 'context_id: "ctx_00000000000000000000000000000000" retention { ttl_seconds: 1e9 }'
seed list 4 ListContextsRequest 'page_size: 10 page_token: "ctx_00000000000000000000000000000000"'
printf '\x05' | cat - tests/storage/data/version1.safetensors >"$corpus/import"
