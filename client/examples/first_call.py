"""A first program: compresses a document and asks one question.

usage: python first_call.py FILE "QUESTION"     gistd listens on 127.0.0.1:50051

Make the stubs once, beside this file, from the root of the repository:
  pip install grpcio-tools
  python -m grpc_tools.protoc -I proto --python_out=client/examples \\
      --grpc_python_out=client/examples proto/gist/v1/*.proto
"""
import sys

# [readme]
import grpc
from gist.v1 import ask_pb2, context_pb2, gist_pb2_grpc


def first_call(text, question):
    channel = grpc.insecure_channel("127.0.0.1:50051")
    stub = gist_pb2_grpc.GistServiceStub(channel)
    made = stub.Compress(context_pb2.CompressRequest(text=text))
    asked = ask_pb2.AskRequest(context_ids=[made.context.context_id],
                               question=question)
    for reply in stub.Ask(asked):
        print(reply.text, end="", flush=True)
# [/readme]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        first_call(file.read(), sys.argv[2])
    print()
