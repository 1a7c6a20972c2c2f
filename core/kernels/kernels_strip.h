// Chooses the Strip<rows, format> of an instruction set's source, which
// includes this file; see kernels_body.h.

template <StripFormat kFormat>
inline void MultiplyIn(const StripProduct& product) {
  static_assert(kTileRows == 8);
  switch (product.rows) {
    case 1:
      return Strip<1, kFormat>(product);
    case 2:
      return Strip<2, kFormat>(product);
    case 3:
      return Strip<3, kFormat>(product);
    case 4:
      return Strip<4, kFormat>(product);
    case 5:
      return Strip<5, kFormat>(product);
    case 6:
      return Strip<6, kFormat>(product);
    case 7:
      return Strip<7, kFormat>(product);
    case 8:
      return Strip<8, kFormat>(product);
  }
}

void MultiplyStrip(const StripProduct& product) {
  switch (product.format) {
    case StripFormat::kNibbles:
      return MultiplyIn<StripFormat::kNibbles>(product);
    case StripFormat::kNibblesWithMinima:
      return MultiplyIn<StripFormat::kNibblesWithMinima>(product);
    case StripFormat::kBytes:
      return MultiplyIn<StripFormat::kBytes>(product);
  }
}
