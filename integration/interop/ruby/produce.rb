# frozen_string_literal: true

# Uploads the symbols of Ruby's standard library to scopegate.

require 'json'
require 'optparse'
require_relative 'scopes'
require_relative 'upload'

# The scopes to upload: the same each time that they are asked for.
class Source
  include Enumerable

  attr_reader :count
  attr_accessor :uploader

  def initialize(options)
    @options = options
    @sent = options[:sent] && File.open(options[:sent], 'w')
    @count = 0
  end

  def each
    index = 0
    found.each do |scope|
      if (index += 1) > @count
        @count = index
        @sent&.puts(JSON.generate(scope))
      end
      yield to_message(Symdb::V1::Scope, scope)
      uploader.cancel if index == @options[:'cancel-after']
    end
    @sent&.flush
  end

  private

  def found
    return File.foreach(@options[:replay]).lazy.map { |line| JSON.parse(line, symbolize_names: true) } if @options[:replay]
    return @found ||= Scopes.of_standard_library unless @options[:golden]

    path = @options[:golden]
    load path
    Scopes.of_files { |file| File.identical?(file, path) }
  end

  # A hash's keys are the message's fields. What is nil is left unset.
  def to_message(type, fields)
    fields = fields.compact
    fields[:scopes] = fields[:scopes].map { |scope| to_message(Symdb::V1::Scope, scope) } if fields[:scopes]
    fields[:symbols] = fields[:symbols].map { |symbol| to_message(Symdb::V1::Symbol, symbol) } if fields[:symbols]
    fields[:language_specifics] = to_specifics(fields[:language_specifics]) if fields[:language_specifics]
    type.new(fields)
  end

  # Keys that LanguageSpecifics has no field for travel in its open map.
  def to_specifics(fields)
    known, additional = fields.partition { |key, _| Symdb::V1::LanguageSpecifics.descriptor.lookup(key.to_s) }.map(&:to_h)
    additional = additional.to_h { |key, value| [key.to_s, to_value(value)] }
    Symdb::V1::LanguageSpecifics.new(known.merge(additional: additional))
  end

  def to_value(value)
    case value
    when Hash
      fields = value.to_h { |key, inner| [key.to_s, to_value(inner)] }
      Google::Protobuf::Value.new(struct_value: Google::Protobuf::Struct.new(fields: fields))
    when Array
      Google::Protobuf::Value.new(list_value: Google::Protobuf::ListValue.new(values: value.map { |inner| to_value(inner) }))
    else
      Google::Protobuf::Value.new.tap { |message| message.from_ruby(value) }
    end
  end
end

options = { target: '127.0.0.1:50051', service: 'interop-ruby', deadline: 900.0, 'max-message-bytes': 1 << 20 }
OptionParser.new do |parser|
  parser.on('--target HOST:PORT', 'the server')
  parser.on('--service NAME')
  parser.on('--sent PATH', 'write each scope there, as a line of JSON')
  parser.on('--golden PATH', 'upload this Ruby file instead')
  parser.on('--replay PATH', 'upload scopes from lines of JSON instead')
  parser.on('--deadline SECONDS', Float)
  parser.on('--max-message-bytes N', Integer)
  parser.on('--cancel-after N', Integer, 'cancel after that many scopes')
  parser.on('--cancel-at SECONDS', Float, 'cancel after that many seconds')
end.parse!(into: options)

metadata = Symdb::V1::UploadMetadata.new(
  service: options[:service], env: 'interop', version: '1.0', language: 'ruby', ddsource: 'ruby',
  tags: ['git.commit.sha:12ab', 'team:interop'], container_id: 'interop-container', entity_id: 'ci-interop',
  external_env: 'it-false,cn-interop', parent_id: 'interop-parent',
  additional: { 'schema_version' => Google::Protobuf::Value.new(number_value: 1) }
)
uploader = Upload::Uploader.new(
  options[:target], metadata, deadline: options[:deadline], max_message_bytes: options[:'max-message-bytes']
)
source = Source.new(options)
source.uploader = uploader
result = { status: 'OK', reason: '', field: '' }
began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
if options[:'cancel-at']
  Thread.new do
    sleep options[:'cancel-at']
    uploader.cancel
  end
end
begin
  result[:scope_count] = uploader.upload(source).scope_count
rescue Upload::Error => e
  warn e.message
  result.update(status: e.code, reason: e.reason, field: e.field)
rescue JSON::ParserError => e
  warn e.message
  result[:status] = 'SOURCE_FAILED'
end
result.update(
  upload_id: uploader.metadata.upload_id, header_upload_id: uploader.header_upload_id || '',
  scopes: source.count, messages: uploader.message_count, streams: uploader.stream_count,
  seconds: Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
)
puts JSON.generate(result)
exit result[:status] == 'OK'
