package shop;

abstract class Book extends Item implements Item.Priced {
    Book() {
        super("book");
    }
}
