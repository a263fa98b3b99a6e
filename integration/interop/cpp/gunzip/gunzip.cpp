// Decompresses standard input with zlib, for the tests.
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cstdio>

int main() {
  gzFile batch = gzdopen(STDIN_FILENO, "rb");
  if (batch == nullptr) return 1;
  std::array<char, 65536> buffer;
  int length = 0;
  while ((length = gzread(batch, buffer.data(), buffer.size())) > 0) {
    std::fwrite(buffer.data(), 1, static_cast<std::size_t>(length), stdout);
  }
  int code = 0;
  if (length < 0) std::fprintf(stderr, "%s\n", gzerror(batch, &code));
  // gzclose reports a file that ends too early.
  return gzclose(batch) == Z_OK && length == 0 ? 0 : 1;
}
