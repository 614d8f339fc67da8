#!/usr/bin/env bash
# Builds versitygw, a server that speaks the protocol of S3 over a folder, from the Go module proxy, into
# ~/.cache/holdfast/versitygw. Needs a Go that can fetch the one that the module asks for.
set -euo pipefail
version=v1.8.0
target="$HOME/.cache/holdfast/versitygw"
if [ -x "$target" ] && [ "$(cat "$target.version" 2>/dev/null)" = "$version" ]; then
  echo "versitygw $version is at $target"
  exit 0
fi
command -v go >/dev/null || { echo "Go is missing: versitygw needs it to be built" >&2; exit 1; }
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$(dirname "$target")"
# By the exact version, so that the proxy need not answer for the list of all.
GOBIN="$work" GOFLAGS=-mod=mod go install "github.com/versity/versitygw/cmd/versitygw@$version"
mv "$work/versitygw" "$target"
echo "$version" >"$target.version"
"$target" --version
