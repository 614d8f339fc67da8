#!/usr/bin/env bash
# Fetches the jars of an OpenSearch node for the tests into ~/.cache/holdfast/opensearch, by Maven only. Needs a Java runtime
# of version 17 and Maven: apt-get install -y maven openjdk-17-jre-headless
set -euo pipefail
cd "$(dirname "$0")/.."

target="$HOME/.cache/holdfast/opensearch"
pom=test/engines/opensearch/pom.xml
if cmp -s "$pom" "$target/pom.xml"; then
  echo "OpenSearch is in $target"
  exit 0
fi
for program in java mvn; do
  command -v "$program" >/dev/null || {
    echo "$program is missing; install it by: apt-get install -y maven openjdk-17-jre-headless" >&2
    exit 1
  }
done
rm -rf "$target"
mkdir -p "$target"
mvn --batch-mode --quiet --file "$pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$target"
# Last, so that a folder with a pom is whole.
cp "$pom" "$target/pom.xml"
echo "OpenSearch is in $target"
