# A shop, for its symbols.
module Shop
  CURRENCY = 'EUR'

  module Priced
    def price=(amount)
      @price = amount
    end
  end

  module Loud
    def label
      super.upcase
    end
  end

  class Item
    include Comparable
    include Priced
    prepend Loud

    LIMITS = [0, 100].freeze

    def self.parse(text, *rest, strict: false, &block)
      name, price = text.split('=')

      new(name, price.to_i)
    end

    def initialize(name, price = 1)
      @name = name
      @price = price
    end

    def label = "#{@name} → #{@price} #{CURRENCY}"

    private

    def secret(*) = @price
  end

  class Book < Item
    protected def pages(first, last)
      last - first
    end
  end
end
