# frozen_string_literal: true

require 'digest'

# Finds the scopes of the files that are loaded, by asking the modules in them.
#
# A scope is a hash with the keys of symdb.v1.Scope. What is unknown is left out,
# except a symbol's type, which Ruby does not have: it is nil.
module Scopes
  TO_THE_END = (2**31) - 1
  LIBRARIES = %w[
    abbrev base64 benchmark bigdecimal/util csv delegate digest drb erb fileutils find forwardable getoptlong ipaddr irb json
    logger matrix monitor net/ftp net/http net/imap net/pop net/protocol net/smtp observer open3 open-uri openssl optparse
    ostruct pathname prettyprint prime pstore psych racc/parser rdoc reline resolv rexml/document rinda/tuplespace rss
    securerandom set shellwords singleton socket tempfile time timeout tmpdir tsort uri weakref yaml zlib
  ].freeze

  module_function

  # Asks as Module itself would answer: a class may have, say, a `name` of its own.
  def ask(mod, question, *args)
    Module.instance_method(question).bind_call(mod, *args)
  end

  # The files of the standard library, in a fixed order.
  def of_standard_library
    LIBRARIES.each do |library|
      require library
    rescue LoadError
      next # not every distribution has all of them
    end
    folder = RbConfig::CONFIG['rubylibdir']
    of_files { |path| path.start_with?(folder) }
  end

  # The scopes of the loaded files that the block accepts.
  def of_files(&accepts)
    return to_enum(:of_files) unless block_given?

    Enumerator.new do |found|
      by_file(&accepts).each { |path, modules| found << of_file(path, modules) }
    end
  end

  # Which methods of which modules each file defines. A module that is opened in
  # several files is in each of them.
  def by_file
    files = Hash.new { |hash, path| hash[path] = Hash.new { |inner, mod| inner[mod] = [] } }
    ObjectSpace.each_object(Module).select { |mod| ask(mod, :name) }.sort_by { |mod| ask(mod, :name) }.each do |mod|
      path, = location_of(mod)
      files[path][mod] if path && File.file?(path) && yield(path)
      methods_of(mod).each do |method, specifics|
        path, = method.source_location
        files[path][mod] << [method, specifics] if path && File.file?(path) && yield(path)
      end
    end
    files.sort
  end

  def of_file(path, modules)
    content = File.binread(path)
    {
      scope_type: 'FILE', name: path, source_file: path, start_line: 1, end_line: TO_THE_END,
      language_specifics: { file_hash: Digest::SHA1.hexdigest("blob #{content.bytesize}\0#{content}") },
      scopes: modules.map { |mod, methods| of_module(path, mod, methods) }
    }
  end

  def of_module(path, mod, methods)
    file, line = location_of(mod)
    without_empty(
      scope_type: mod.is_a?(Class) ? 'CLASS' : 'MODULE', name: ask(mod, :name), source_file: path,
      start_line: file == path ? line : 0, end_line: 0,
      language_specifics: specifics_of(mod),
      symbols: constants_of(mod, path),
      scopes: methods.sort_by { |method, _| [method.source_location.last, method.name] }.map { |method, more| of_method(method, more) }
    )
  end

  def location_of(mod)
    Object.const_source_location(ask(mod, :name))
  rescue NameError
    nil # below a module that has no name
  end

  def specifics_of(mod)
    superclass = mod.is_a?(Class) ? mod.superclass : nil
    before, behind = ask(mod, :ancestors).then { |all| [all.take_while { |a| a != mod }, all.drop_while { |a| a != mod }.drop(1)] }
    without_empty(
      super_classes: [superclass].compact.filter_map { |m| ask(m, :name) },
      included_modules: (behind - (superclass&.ancestors || [])).filter_map { |m| ask(m, :name) },
      prepended_modules: before.filter_map { |m| ask(m, :name) }
    )
  end

  # Constants that the file defines, and that are no modules: those have scopes.
  def constants_of(mod, path)
    ask(mod, :constants, false).sort.filter_map do |name|
      next if ask(mod, :autoload?, name)

      file, line = ask(mod, :const_source_location, name)
      { name: name.to_s, type: nil, symbol_type: 'STATIC_FIELD', line: line } if file == path && !ask(mod, :const_get, name).is_a?(Module)
    end
  end

  def methods_of(mod)
    own = %i[public protected private].flat_map do |visibility|
      ask(mod, :"#{visibility}_instance_methods", false).sort.map do |name|
        [own_method(mod, name), { visibility: visibility.to_s, method_type: 'instance' }]
      end
    end
    own + ask(mod, :singleton_methods, false).sort.map do |name|
      [ask(mod, :method, name).unbind, { visibility: 'public', method_type: 'class' }]
    end
  end

  # A module that was prepended may have a method of the same name in front.
  def own_method(mod, name)
    method = ask(mod, :instance_method, name)
    method = method.super_method while method.owner != mod && method.super_method
    method
  end

  def of_method(method, specifics)
    path, line = method.source_location
    events = RubyVM::InstructionSequence.of(method)&.trace_points || []
    lines = events.filter_map { |at, event| at if event == :line }.uniq.sort
    without_empty(
      scope_type: 'METHOD', name: method.name.to_s, source_file: path,
      start_line: line, end_line: events.map(&:first).max || 0,
      has_injectible_lines: !lines.empty?, injectible_lines: ranges(lines),
      language_specifics: { method_type: specifics[:method_type], visibility: specifics[:visibility], arity: method.arity },
      symbols: arguments(method).map { |name| { name: name.to_s, type: nil, symbol_type: 'ARG', line: line } }
    )
  end

  def arguments(method)
    method.parameters.filter_map { |_, name| name unless %i[* ** &].include?(name) }
  end

  # Lines in rising order, as ranges that include both ends.
  def ranges(lines)
    lines.slice_when { |a, b| b != a + 1 }.map { |run| { start: run.first, end: run.last } }
  end

  def without_empty(fields)
    fields.reject { |_, value| value.respond_to?(:empty?) && value.empty? }
  end
end
