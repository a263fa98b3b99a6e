package shop;

import java.util.Map;
import java.util.function.Supplier;

/** Something that can be bought. */
@Deprecated
public abstract class Item implements Comparable<Item>, Cloneable {
    public static final String CURRENCY = "EUR";
    protected final int[] prices;
    @Deprecated
    private volatile Map<String, Integer> stock;

    protected Item(String name, int... prices) {
        this.prices = prices;
    }

    public static final synchronized Item parse(CharSequence text) throws IllegalArgumentException {
        throw new IllegalArgumentException(text.toString());
    }

    @Override
    public int compareTo(Item other) {
        return Integer.compare(prices[0], other.prices[0]);
    }

    Supplier<String> label() {
        return () -> prices[0] + " → " + CURRENCY;
    }

    abstract Map.Entry<String, int[][]> entry(long id, boolean strict);

    interface Priced {
        int price();
    }
}
