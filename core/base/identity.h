// Names by content: what a document and a context are called.
#pragma once

#include <string>
#include <string_view>

namespace gist {

// Nothing but 0-9 and a-f.
bool IsLowerHex(std::string_view text);

// Lower-case hex SHA-256 of `bytes`, 64 digits.
std::string Sha256Hex(std::string_view bytes);

// Git's name of a file with these bytes: lower-case hex SHA-1, 40 digits.
// Against damage and mistakes; it is no defence against forgery.
std::string GitBlobHex(std::string_view bytes);

// Document id: SHA-256 over the salt's length, the salt and the text, so that a
// tenant cannot learn whether another one holds a text. 64 hex digits.
std::string DocumentId(std::string_view tenant_salt, std::string_view text);

// Context id: "ctx_", the first 8 hex digits of `document_id` and the first 24
// of the SHA-256 over document and model. One for each tenant, text and model.
std::string ContextId(std::string_view document_id,
                      std::string_view model_fingerprint);

// The context id of gistd before database version 3, one for each compression:
// "ctx_" and the first 32 hex digits of the SHA-256 over document, model,
// adapter and number of gists.
std::string OldContextId(std::string_view document_id,
                         std::string_view model_fingerprint,
                         std::string_view adapter_fingerprint, int gist_tokens);

}  // namespace gist
