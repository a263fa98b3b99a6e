import java.util.zip.GZIPInputStream;

/** Decompresses standard input to standard output. */
class Gunzip {
    public static void main(String[] args) throws Exception {
        new GZIPInputStream(System.in).transferTo(System.out);
        System.out.flush();
    }
}
