# frozen_string_literal: true

# Decompresses standard input with Ruby's zlib, for the tests.

require "zlib"

$stdin.binmode
$stdout.binmode
Zlib::GzipReader.wrap($stdin) { |batch| IO.copy_stream(batch, $stdout) }
