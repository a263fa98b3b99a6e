import java.io.IOException;
import java.util.zip.GZIPInputStream;

/** Decompresses standard input with Java's own gzip, for the tests. */
final class Gunzip {
    private Gunzip() {}

    public static void main(String[] args) throws IOException {
        try (var batch = new GZIPInputStream(System.in)) {
            batch.transferTo(System.out);
        }
        System.out.flush();
    }
}
