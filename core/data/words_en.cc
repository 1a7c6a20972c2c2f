#include <array>

#include "core/data/words.h"

namespace gist {
namespace {

using Word = std::string_view;

// clang-format off
constexpr auto kGivenNames = std::to_array<Word>({
    "Ada", "Agnes", "Albert", "Alma", "Amira", "Anders", "Anton", "Arthur", "Astrid", "Beatrice", "Bruno", "Camille", "Carla", "Cedric",
    "Clara", "Conrad", "Daphne", "David", "Dora", "Edith", "Edmund", "Elena", "Elias", "Emil", "Esther", "Farid", "Felix", "Flora",
    "Frances", "Gemma", "George", "Greta", "Hanna", "Harriet", "Henry", "Hugo", "Ida", "Ingrid", "Irene", "Ivan", "Jasper", "Joan",
    "Jonas", "Judith", "Karim", "Laura", "Leon", "Lydia", "Magnus", "Marta", "Miriam", "Nadia", "Nora", "Oscar", "Paul", "Petra",
    "Ralph", "Rosa", "Samuel", "Selma", "Simon", "Tessa", "Theo", "Ursula", "Victor", "Vera", "Walter", "Yusuf", "Zoe"});
constexpr auto kFamilyNames = std::to_array<Word>({
    "Abbott", "Ackroyd", "Aldana", "Almeida", "Arden", "Barlow", "Beaumont", "Becker", "Bellamy", "Birch", "Blackwood", "Brandt", "Calder",
    "Carver", "Castell", "Chandra", "Cole", "Crane", "Dahl", "Dalton", "Delgado", "Draper", "Dunmore", "Eklund", "Ellery", "Falk", "Farrow",
    "Fenwick", "Fischer", "Garland", "Gibbs", "Grant", "Hadley", "Harlow", "Hassan", "Holt", "Hume", "Iverson", "Jansen", "Keller", "Kemp",
    "Kowalski", "Lambert", "Lindqvist", "Lowell", "Marsh", "Mercer", "Moreau", "Nadir", "Novak", "Oakley", "Okafor", "Orwin", "Pascal",
    "Pemberton", "Quayle", "Ramsey", "Reyes", "Rowan", "Sandoval", "Sato", "Sinclair", "Sorensen", "Tanner", "Thorne", "Upton", "Varga",
    "Vance", "Wells", "Whitlock", "Winter", "Yates", "Zeller"});
constexpr auto kKeyHeads = std::to_array<Word>({
    "Harbour", "Northgate", "Riverside", "Hillside", "Old Town", "Lakeview", "Westfield", "Stonebridge", "Millbrook", "Ashford", "Copper Street",
    "Cedar Lane", "Granite Bay", "Silver Creek", "Maple", "Kingsway", "Orchard", "Fairview", "Larkspur", "Juniper", "Bluewater", "Redcliff",
    "Sandpiper", "Greywell", "Thornhill", "Falcon", "Heron", "Marigold", "Saltmarsh", "Windmill", "Beacon", "Cathedral", "Canal", "Meridian",
    "Polar", "Sunrise", "Eastbank", "Foxglove", "Summit", "Lantern"});
constexpr auto kKeyTails = std::to_array<Word>({
    "archive", "library", "museum", "depot", "clinic", "laboratory", "warehouse", "station", "observatory", "theatre", "school", "bakery",
    "workshop", "gallery", "greenhouse", "hotel", "press", "shipyard", "terminal", "foundry"});
constexpr auto kTopics = std::to_array<Word>({
    "beekeeping", "glass blowing", "tidal power", "bread baking", "bird migration", "bridge building", "clock repair", "coffee growing",
    "cave diving", "chess", "kite making", "wool dyeing", "volcanoes", "night trains", "street lighting", "map making", "piano tuning",
    "sheep farming", "mountain rescue", "paper making", "shipwrecks", "tea ceremonies", "violin making", "water mills", "weather forecasting",
    "wild mushrooms", "wind turbines", "wood carving", "bicycle racing", "book binding", "canal boats", "cheese making", "city gardens",
    "comets", "coral reefs", "deserts", "dog training", "earthquakes", "folk dancing", "fossil hunting", "glaciers", "hot air balloons",
    "lighthouses", "long distance running", "markets", "medicinal plants", "model railways", "mosaics", "olive oil", "opera", "orchards",
    "peat bogs", "photography", "pottery", "puppet theatre", "river fishing", "sailing", "salt mining", "school meals", "silk weaving",
    "ski jumping", "spiders", "stone walls", "sundials", "swimming", "theatre costumes", "tram lines", "vaccines", "vineyards", "whales",
    "archery", "bonsai", "calligraphy", "fireflies", "hedgehogs", "hot springs", "ice skating", "knitting", "origami", "post offices", "rainbows",
    "stamp collecting", "tide pools", "thatched roofs", "typewriters", "wedding cakes"});
constexpr auto kEvents = std::to_array<Word>({
    "the flood", "the harvest festival", "the dock strike", "the choir concert", "the bridge opening", "the power cut", "the chess tournament",
    "the mayor's visit", "the book fair", "the boat race", "the great storm", "the art auction", "the school reunion", "the bakery fire",
    "the street parade", "the bell casting", "the film premiere", "the science congress", "the flower show", "the town election",
    "the train derailment", "the museum robbery", "the lantern walk", "the solar eclipse", "the factory closure", "the water shortage",
    "the charity dinner", "the puppet show", "the marathon", "the landslide", "the wedding at the mill", "the kite contest", "the trade fair",
    "the census", "the meteor shower", "the library move", "the bus strike", "the heat wave", "the cattle market", "the opera night",
    "the orchard blessing", "the ferry accident", "the inauguration of the clinic", "the tax reform", "the first frost", "the swimming gala",
    "the archaeological dig", "the radio broadcast", "the tree planting", "the street market", "the spelling contest", "the lighthouse repair",
    "the regatta", "the fishing ban", "the wine tasting", "the chimney collapse", "the piano recital", "the snowstorm", "the treaty signing",
    "the cable car opening",
    "the ice fair", "the dam failure", "the first train", "the poetry contest", "the honey market", "the clock theft"});
// clang-format on

}  // namespace

const Words& EnglishWords() {
  static constexpr Words kWords = {kGivenNames, kFamilyNames, kKeyHeads,
                                   kKeyTails,   kTopics,      kEvents};
  return kWords;
}

}  // namespace gist
