# frozen_string_literal: true

require 'google/protobuf/well_known_types'
require 'google/rpc/error_details_pb'
require 'grpc'
require 'securerandom'
require 'symdb/v1/symbol_database_service_services_pb'

# Uploads scopes to scopegate: the part that a tracer would copy.
#
#   metadata = Symdb::V1::UploadMetadata.new(service: 'shop', language: 'ruby')
#   Upload::Uploader.new('127.0.0.1:50051', metadata).upload(scopes)
module Upload
  # How an upload failed: a gRPC code's name, and the details of the status.
  class Error < StandardError
    DETAILS = [
      Google::Rpc::ErrorInfo, Google::Rpc::RetryInfo, Google::Rpc::BadRequest,
      Symdb::V1::UploadProgress, Symdb::V1::IntakeFailure
    ].freeze

    attr_reader :code

    def initialize(error)
      super(error.message)
      @code = GRPC::Core::StatusCodes.constants.find { |name| GRPC::Core::StatusCodes.const_get(name) == error.code }.to_s
      @details = (error.to_rpc_status&.details || []).to_h do |any|
        kind = DETAILS.find { |type| any.is(type) }
        [kind, kind && any.unpack(kind)]
      end
    end

    def reason = @details[Google::Rpc::ErrorInfo]&.reason || ''

    # The field that the server found wrong, such as scope[17].name.
    def field = @details[Google::Rpc::BadRequest]&.field_violations&.first&.field || ''

    # How far the stream came; nil where that is not known.
    def progress = @details[Symdb::V1::UploadProgress]

    def retry_delay = @details[Google::Rpc::RetryInfo]&.retry_delay&.to_f || 0

    # Whether the same upload may succeed later.
    def passes? = code == 'UNAVAILABLE' || (code == 'RESOURCE_EXHAUSTED' && reason == 'OVERLOADED')
  end

  # One upload, in as many streams as it takes. Make a new Uploader, with metadata of its
  # own, for each upload, and after a fork, never before: gRPC's threads do not survive one.
  class Uploader
    CHANNEL = {
      'grpc.enable_retries' => 0, # the library's own retries know nothing of batches
      'grpc.keepalive_time_ms' => 30_000,
      'grpc.keepalive_timeout_ms' => 10_000,
      'grpc.http2.max_pings_without_data' => 0
    }.freeze

    attr_reader :metadata, :header_upload_id, :stream_count, :message_count

    # deadline is what the whole upload may take, in seconds, once it begins.
    def initialize(target, metadata, deadline: 900, max_attempts: 8, max_message_bytes: 1 << 20)
      @stub = Symdb::V1::SymbolDatabaseService::Stub.new(target, :this_channel_is_insecure, channel_args: CHANNEL)
      @metadata = metadata
      @metadata.upload_id = SecureRandom.uuid if @metadata.upload_id.empty?
      @deadline = deadline
      @max_attempts = max_attempts
      @max_message_bytes = max_message_bytes
      @stream_count = @message_count = 0
      @lock = Mutex.new
      @cancelling = ConditionVariable.new
    end

    # Sends the scopes, and returns when the intake has them all.
    #
    # Where a stream fails, scopes.each is called again: it must yield the same each
    # time. In return nothing is held here. Blocks while the intake is slow, so call
    # it from a thread that may.
    def upload(scopes)
      accepted = failures = 0
      @ends_at = Time.now + @deadline
      begin
        stream(scopes, accepted)
      rescue Error => e
        raise unless e.passes?

        accepted, failures = prepare_next(e.progress, accepted, failures)
        wait = e.retry_delay + rand * [30, 0.2 * 2**failures].min
        raise if failures >= @max_attempts || Time.now + wait >= @ends_at

        @lock.synchronize { @cancelling.wait(@lock, wait) unless @cancelled }
        retry
      end
    end

    # Breaks the upload off, from any thread, also between two streams. It never gets a
    # final batch.
    def cancel
      @lock.synchronize do
        @cancelled = true
        @cancelling.signal
      end
      @operation&.cancel
    end

    private

    # Says what the next stream is, and returns how many scopes it leaves out, and
    # how many streams in a row have brought nothing.
    def prepare_next(progress, accepted, failures)
      if progress && progress.upload_id == @metadata.upload_id && progress.accepted_scope_count < @sent
        # It is known how far the stream came: the next one goes on there.
        @metadata.first_batch_num = progress.next_batch_num
        return [accepted + progress.accepted_scope_count, progress.accepted_scope_count.positive? ? 0 : failures + 1]
      end
      # No scope was sent, or the server has read nothing: send the same again.
      return [accepted, failures + 1] if @sent.zero? || progress&.upload_id == ''

      # It is not: start over, as another upload.
      @metadata.upload_id = SecureRandom.uuid
      @metadata.first_batch_num = 0
      [0, failures + 1]
    end

    def stream(scopes, accepted)
      @sent = 0
      @stream_count += 1
      # A request is asked for when the one before is on its way: a slow server holds
      # the enumerator back, and memory stays flat.
      @operation = @stub.upload_scopes(requests(scopes, accepted), deadline: @ends_at, return_op: true)
      raise Error, GRPC::Cancelled.new('the upload was cancelled') if @cancelled

      summary = @operation.execute
      @header_upload_id = @operation.metadata['scopegate-upload-id']
      summary or raise GRPC::Internal.new('the server did not answer')
    rescue GRPC::BadStatus => e
      raise Error, e
    rescue GRPC::Core::CallError # nothing can be sent, and yet the status is OK
      raise Error, GRPC::Internal.new('the server answered before the end of the upload')
    rescue StandardError
      @operation&.cancel # what is cut short must not get a final batch
      raise
    end

    def requests(scopes, accepted)
      Enumerator.new do |out|
        out << Symdb::V1::UploadScopesRequest.new(metadata: @metadata)
        index = 0
        scopes.each do |scope|
          split(scope) do |message|
            next if (index += 1) <= accepted

            @sent += 1
            out << Symdb::V1::UploadScopesRequest.new(scope: message)
            @message_count += 1
          end
        end
      end
    end

    # A root that is too large for a message, as several: the backend merges them.
    # Each has some of the children, or of what they have split into. A scope's symbols
    # go with its first part. What has no children stays as it is.
    def split(scope, max_bytes = @max_message_bytes)
      return yield scope if scope.scopes.empty? || bytes(scope) <= max_bytes

      bare = without(without(scope, :scopes), :symbols)
      part = without(scope, :scopes)
      size = bytes(part)
      scope.scopes.flat_map { |child| enum_for(:split, child, max_bytes - bytes(bare) - 6).to_a }.each do |piece|
        if !part.scopes.empty? && size + bytes(piece) > max_bytes
          yield part
          part = without(bare, :scopes)
          size = bytes(part)
        end
        part.scopes << piece
        size += bytes(piece) + 6
      end
      yield part
    end

    # A copy, with an empty list of its own.
    def without(scope, list)
      type = { scopes: Symdb::V1::Scope, symbols: Symdb::V1::Symbol }.fetch(list)
      scope.dup.tap { |copy| copy.public_send(:"#{list}=", Google::Protobuf::RepeatedField.new(:message, type)) }
    end

    def bytes(message) = Symdb::V1::Scope.encode(message).bytesize
  end
end
