#!/usr/bin/env bash
# Builds FerretDB, a server that speaks MongoDB's protocol, from the Go module proxy, into ~/.cache/holdfast/ferretdb.
# Needs Go 1.22 or later. Version 1, over a plain PostgreSQL: version 2 needs an extension that Debian lacks.
set -euo pipefail
version=v1.24.0
target="$HOME/.cache/holdfast/ferretdb"
if [ -x "$target" ] && [[ "$("$target" --version 2>&1)" == *"$version"* ]]; then
  echo "FerretDB $version is at $target"
  exit 0
fi
command -v go >/dev/null || { echo "Go is missing: FerretDB needs Go 1.22 or later to be built" >&2; exit 1; }
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
# In a module that requires it, and not by `go install`: that asks for the list of all versions, which some proxies refuse.
cat > "$work/go.mod" <<EOF
module holdfast.invalid/engines

go 1.22

require github.com/FerretDB/FerretDB $version
EOF
cat > "$work/tools.go" <<'EOF'
//go:build tools

package tools

import _ "github.com/FerretDB/FerretDB/cmd/ferretdb"
EOF
cd "$work"
go mod tidy
# The module lacks the file that names its version, without which the program does not start: so it is built from a copy.
cp -r "$(go list -m -f '{{.Dir}}' github.com/FerretDB/FerretDB)" source
chmod -R u+w source
echo "$version" >source/build/version/version.txt
go mod edit -replace github.com/FerretDB/FerretDB=./source
mkdir -p "$(dirname "$target")"
go build -o "$target" github.com/FerretDB/FerretDB/cmd/ferretdb
"$target" --version
