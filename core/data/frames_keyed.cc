#include "core/data/frames.h"

namespace gist {
namespace {

constexpr ValueKind kNumber = ValueKind::kNumber;
constexpr ValueKind kName = ValueKind::kName;
constexpr ValueKind kUuid = ValueKind::kUuid;
constexpr ValueKind kDate = ValueKind::kDate;
constexpr ValueKind kCode = ValueKind::kCode;

// clang-format off
constexpr Frame kEnglishTrain[] = {
    {"The access code of the {k} is {}.", {"What is the access code of the {k}?", "Which access code does the {k} have?"}, kNumber, "access"},
    {"At the {k}, the door opens with {}.", {"With what does the door of the {k} open?", "Which number opens the door at the {k}?"}, kNumber, "access"},
    {"The {k} is reached under the telephone extension {}.", {"What is the telephone extension of the {k}?", "Under which extension is the {k} reached?"}, kNumber, "extension"},
    {"The inventory of the {k} lists {} items.", {"How many items does the inventory of the {k} list?", "How many items are in the inventory of the {k}?"}, kNumber, "inventory"},
    {"Last year the {k} counted {} visitors.", {"How many visitors did the {k} count last year?", "What was last year's number of visitors at the {k}?"}, kNumber, "visitors"},
    {"The meter at the {k} stood at {} on the last reading.", {"Where did the meter at the {k} stand on the last reading?", "What did the meter at the {k} show?"}, kNumber, "meter"},
    {"The {k} pays its bills from account {}.", {"From which account does the {k} pay its bills?", "What is the account of the {k}?"}, kNumber, "account"},
    {"The repair of the {k} cost {} crowns.", {"How many crowns did the repair of the {k} cost?", "What did the repair of the {k} cost?"}, kNumber, "repair"},
    {"The {k} has the licence number {}.", {"What is the licence number of the {k}?", "Which licence number does the {k} have?"}, kNumber, "licence"},
    {"Box number {} belongs to the {k}.", {"Which box number belongs to the {k}?", "What is the box number of the {k}?"}, kNumber, "box"},
    {"The {k} was insured for {} pounds.", {"For how many pounds was the {k} insured?", "What sum was the {k} insured for?"}, kNumber, "insurance"},
    {"The passkey of the {k} is {}.", {"What is the passkey of the {k}?", "Which passkey belongs to the {k}?"}, kCode, "passkey"},
    {"Parcels for the {k} carry the mark {}.", {"Which mark do parcels for the {k} carry?", "What is the mark on parcels for the {k}?"}, kCode, "mark"},
    {"The spare key of the {k} hangs on hook {}.", {"On which hook does the spare key of the {k} hang?", "Where does the spare key of the {k} hang?"}, kCode, "hook"},
    {"The {k} ordered its new boiler under reference {}.", {"Under which reference did the {k} order its new boiler?", "What is the reference of the new boiler for the {k}?"}, kCode, "boiler"},
    {"The guest network of the {k} uses the key {}.", {"Which key does the guest network of the {k} use?", "What is the key of the guest network at the {k}?"}, kCode, "network"},
    {"The {k} is run by {}.", {"Who runs the {k}?", "By whom is the {k} run?"}, kName, "head"},
    {"The head of the {k} is {}.", {"Who is the head of the {k}?", "What is the name of the head of the {k}?"}, kName, "head"},
    {"{} designed the {k}.", {"Who designed the {k}?", "Which person designed the {k}?"}, kName, "architect"},
    {"The night watch at the {k} is kept by {}.", {"Who keeps the night watch at the {k}?", "Who is the night watch of the {k}?"}, kName, "watch"},
    {"The {k} was left to the town by {}.", {"Who left the {k} to the town?", "By whom was the {k} left to the town?"}, kName, "donor"},
    {"Complaints about the {k} go to {}.", {"To whom do complaints about the {k} go?", "Who receives complaints about the {k}?"}, kName, "complaints"},
    {"{} keeps the accounts of the {k}.", {"Who keeps the accounts of the {k}?", "Which person keeps the accounts of the {k}?"}, kName, "accounts"},
    {"The painting in the hall of the {k} shows {}.", {"Whom does the painting in the hall of the {k} show?", "Who is shown in the hall of the {k}?"}, kName, "painting"},
    {"The {k} was founded on {}.", {"When was the {k} founded?", "On which day was the {k} founded?"}, kDate, "founded"},
    {"The {k} closed its doors on {}.", {"When did the {k} close its doors?", "On which date did the {k} close?"}, kDate, "closed"},
    {"The roof of the {k} was renewed on {}.", {"When was the roof of the {k} renewed?", "On which date was the roof of the {k} renewed?"}, kDate, "roof"},
    {"An inspector came to the {k} on {}.", {"When did an inspector come to the {k}?", "On which day was the {k} inspected?"}, kDate, "inspector"},
    {"The first stone of the {k} was laid on {}.", {"When was the first stone of the {k} laid?", "On which date was the first stone of the {k} laid?"}, kDate, "stone"},
    {"The lease of the {k} ended on {}.", {"When did the lease of the {k} end?", "What was the last day of the lease of the {k}?"}, kDate, "lease"},
    {"The sensor in the {k} reports under the identifier {}.", {"Under which identifier does the sensor in the {k} report?", "What is the identifier of the sensor in the {k}?"}, kUuid, "sensor"},
    {"The register names the {k} by the identifier {}.", {"By which identifier does the register name the {k}?", "What is the identifier of the {k} in the register?"}, kUuid, "register"},
    {"The {k} keeps {} old letters in its cellar.", {"How many old letters does the {k} keep in its cellar?", "What number of old letters is in the cellar of the {k}?"}, kNumber, "letters"},
};
constexpr Frame kEnglishHeldOut[] = {
    {"Anyone who wants to enter the {k} has to type {}.", {"What must be typed to enter the {k}?", "What does one type in order to get into the {k}?"}, kNumber, "entry"},
    {"In the catalogue, the {k} stands under number {}.", {"Under which number does the {k} stand in the catalogue?", "What is the catalogue number of the {k}?"}, kNumber, "catalogue"},
    {"They counted {} bricks in the front wall of the {k}.", {"How many bricks were counted in the front wall of the {k}?", "How many bricks does the front wall of the {k} have?"}, kNumber, "bricks"},
    {"The clock of the {k} bears the serial number {}.", {"Which serial number does the clock of the {k} bear?", "What is the serial number of the clock of the {k}?"}, kNumber, "clock"},
    {"For deliveries, the {k} answers to the call {}.", {"To which call does the {k} answer for deliveries?", "What is the delivery call of the {k}?"}, kCode, "call"},
    {"The van of the {k} has the plate {}.", {"Which plate does the van of the {k} have?", "What is the plate of the van of the {k}?"}, kCode, "plate"},
    {"Since the spring, {} has been in charge of the {k}.", {"Who has been in charge of the {k} since the spring?", "Who took charge of the {k} in the spring?"}, kName, "charge"},
    {"The prize for the best apprentice at the {k} went to {}.", {"Who won the prize for the best apprentice at the {k}?", "To whom did the apprentice prize of the {k} go?"}, kName, "prize"},
    {"The {k} owes its garden to {}.", {"To whom does the {k} owe its garden?", "Whom can the {k} thank for its garden?"}, kName, "garden"},
    {"The lights in the {k} first burned on {}.", {"When did the lights in the {k} first burn?", "On what day were the lights of the {k} first lit?"}, kDate, "lights"},
    {"Until {} the {k} was a private house.", {"Until when was the {k} a private house?", "Up to which date was the {k} a private house?"}, kDate, "private"},
    {"The backup of the {k} is stored under {}.", {"Under what is the backup of the {k} stored?", "Where is the backup of the {k} stored?"}, kUuid, "backup"},
};
constexpr Frame kKoreanTrain[] = {
    {"{k}의 출입 번호는 {}입니다.", {"{k}의 출입 번호는 무엇인가요?", "{k}의 출입 번호를 알려 주세요."}, kNumber, "access"},
    {"{k}의 문은 번호 {}{으로/로} 열립니다.", {"{k}의 문은 어떤 번호로 열리나요?", "{k}의 문을 여는 번호는 무엇인가요?"}, kNumber, "access"},
    {"{k}의 내선 번호는 {}입니다.", {"{k}의 내선 번호는 무엇인가요?", "{k}에 연락하려면 내선 몇 번으로 걸어야 하나요?"}, kNumber, "extension"},
    {"{k}의 재고 목록에는 물품 {}점이 올라 있습니다.", {"{k}의 재고 목록에는 물품이 몇 점 올라 있나요?", "{k}의 재고 물품은 몇 점인가요?"}, kNumber, "inventory"},
    {"지난해 {k}{을/를} 찾은 사람은 {}명이었습니다.", {"지난해 {k}{을/를} 찾은 사람은 몇 명이었나요?", "{k}의 지난해 방문객은 몇 명인가요?"}, kNumber, "visitors"},
    {"{k}의 계량기는 마지막 검침 때 {}{을/를} 가리켰습니다.", {"{k}의 계량기는 마지막 검침 때 얼마를 가리켰나요?", "{k}의 계량기 수치는 얼마인가요?"}, kNumber, "meter"},
    {"{k}{은/는} 계좌 {}에서 비용을 냅니다.", {"{k}{은/는} 어느 계좌에서 비용을 내나요?", "{k}의 계좌는 무엇인가요?"}, kNumber, "account"},
    {"{k}의 수리에는 {}원이 들었습니다.", {"{k}의 수리에는 얼마가 들었나요?", "{k}의 수리비는 몇 원인가요?"}, kNumber, "repair"},
    {"{k}의 허가 번호는 {}입니다.", {"{k}의 허가 번호는 무엇인가요?", "{k}{은/는} 어떤 허가 번호를 가지고 있나요?"}, kNumber, "licence"},
    {"사서함 {}{은/는} {k}의 것입니다.", {"{k}의 사서함은 몇 번인가요?", "어느 사서함이 {k}의 것인가요?"}, kNumber, "box"},
    {"{k}{은/는} {}원짜리 보험에 들어 있습니다.", {"{k}{은/는} 얼마짜리 보험에 들어 있나요?", "{k}의 보험 금액은 몇 원인가요?"}, kNumber, "insurance"},
    {"{k}의 패스키는 {}입니다.", {"{k}의 패스키는 무엇인가요?", "{k}에 해당하는 패스키를 알려 주세요."}, kCode, "passkey"},
    {"{k}{으로/로} 가는 소포에는 {} 표시가 붙습니다.", {"{k}{으로/로} 가는 소포에는 어떤 표시가 붙나요?", "{k}의 소포 표시는 무엇인가요?"}, kCode, "mark"},
    {"{k}의 여벌 열쇠는 고리 {}에 걸려 있습니다.", {"{k}의 여벌 열쇠는 어느 고리에 걸려 있나요?", "{k}의 여벌 열쇠가 걸린 고리는 무엇인가요?"}, kCode, "hook"},
    {"{k}{은/는} 새 보일러를 주문 번호 {}{으로/로} 신청했습니다.", {"{k}{은/는} 새 보일러를 어떤 주문 번호로 신청했나요?", "{k}의 보일러 주문 번호는 무엇인가요?"}, kCode, "boiler"},
    {"{k}의 손님용 통신망은 키 {}{을/를} 씁니다.", {"{k}의 손님용 통신망은 어떤 키를 쓰나요?", "{k}의 손님용 통신망 키는 무엇인가요?"}, kCode, "network"},
    {"{k}의 운영은 {} 씨가 맡고 있습니다.", {"{k}의 운영은 누가 맡고 있나요?", "{k}{을/를} 운영하는 사람은 누구인가요?"}, kName, "head"},
    {"{k}의 책임자는 {} 씨입니다.", {"{k}의 책임자는 누구인가요?", "{k}의 책임자 이름은 무엇인가요?"}, kName, "head"},
    {"{k}{을/를} 설계한 사람은 {} 씨입니다.", {"{k}{을/를} 설계한 사람은 누구인가요?", "누가 {k}{을/를} 설계했나요?"}, kName, "architect"},
    {"{k}의 야간 경비는 {} 씨가 섭니다.", {"{k}의 야간 경비는 누가 서나요?", "{k}의 야간 경비원은 누구인가요?"}, kName, "watch"},
    {"{k}{을/를} 마을에 물려준 사람은 {} 씨입니다.", {"{k}{을/를} 마을에 물려준 사람은 누구인가요?", "누가 {k}{을/를} 마을에 물려주었나요?"}, kName, "donor"},
    {"{k}에 관한 불만은 {} 씨에게 보냅니다.", {"{k}에 관한 불만은 누구에게 보내나요?", "{k}에 관한 불만은 누가 받나요?"}, kName, "complaints"},
    {"{k}의 장부는 {} 씨가 씁니다.", {"{k}의 장부는 누가 쓰나요?", "{k}의 장부를 맡은 사람은 누구인가요?"}, kName, "accounts"},
    {"{k}의 복도에 걸린 그림은 {} 씨를 그린 것입니다.", {"{k}의 복도에 걸린 그림은 누구를 그린 것인가요?", "{k}의 복도 그림 속 인물은 누구인가요?"}, kName, "painting"},
    {"{k}{은/는} {}에 세워졌습니다.", {"{k}{은/는} 언제 세워졌나요?", "{k}{이/가} 세워진 날은 언제인가요?"}, kDate, "founded"},
    {"{k}{은/는} {}에 문을 닫았습니다.", {"{k}{은/는} 언제 문을 닫았나요?", "{k}{이/가} 문을 닫은 날짜는 언제인가요?"}, kDate, "closed"},
    {"{k}의 지붕은 {}에 새로 얹었습니다.", {"{k}의 지붕은 언제 새로 얹었나요?", "{k}의 지붕을 새로 얹은 날짜는 언제인가요?"}, kDate, "roof"},
    {"{}에 검사관이 {k}{을/를} 찾아왔습니다.", {"검사관은 언제 {k}{을/를} 찾아왔나요?", "{k}{이/가} 검사를 받은 날은 언제인가요?"}, kDate, "inspector"},
    {"{k}의 첫 돌은 {}에 놓였습니다.", {"{k}의 첫 돌은 언제 놓였나요?", "{k}의 첫 돌을 놓은 날짜는 언제인가요?"}, kDate, "stone"},
    {"{k}의 임대 계약은 {}에 끝났습니다.", {"{k}의 임대 계약은 언제 끝났나요?", "{k}의 임대 계약 마지막 날은 언제였나요?"}, kDate, "lease"},
    {"{k}의 감지기는 식별자 {}{으로/로} 보고합니다.", {"{k}의 감지기는 어떤 식별자로 보고하나요?", "{k}의 감지기 식별자는 무엇인가요?"}, kUuid, "sensor"},
    {"등록부에서 {k}의 식별자는 {}입니다.", {"등록부에서 {k}의 식별자는 무엇인가요?", "{k}의 등록 식별자를 알려 주세요."}, kUuid, "register"},
    {"{k}의 지하실에는 오래된 편지 {}통이 있습니다.", {"{k}의 지하실에는 오래된 편지가 몇 통 있나요?", "{k}에 보관된 오래된 편지는 몇 통인가요?"}, kNumber, "letters"},
};
constexpr Frame kKoreanHeldOut[] = {
    {"{k}에 들어가려는 사람은 {}{을/를} 눌러야 합니다.", {"{k}에 들어가려면 무엇을 눌러야 하나요?", "{k}에 들어갈 때 누르는 것은 무엇인가요?"}, kNumber, "entry"},
    {"도록에서 {k}{은/는} {}번에 실려 있습니다.", {"도록에서 {k}{은/는} 몇 번에 실려 있나요?", "{k}의 도록 번호는 무엇인가요?"}, kNumber, "catalogue"},
    {"{k}의 앞벽에는 벽돌이 {}장 쓰였습니다.", {"{k}의 앞벽에는 벽돌이 몇 장 쓰였나요?", "{k} 앞벽의 벽돌은 몇 장인가요?"}, kNumber, "bricks"},
    {"{k}의 시계에는 일련번호 {}{이/가} 새겨져 있습니다.", {"{k}의 시계에는 어떤 일련번호가 새겨져 있나요?", "{k} 시계의 일련번호는 무엇인가요?"}, kNumber, "clock"},
    {"배달을 받을 때 {k}{은/는} 호출명 {}{을/를} 씁니다.", {"배달을 받을 때 {k}{은/는} 어떤 호출명을 쓰나요?", "{k}의 배달 호출명은 무엇인가요?"}, kCode, "call"},
    {"{k}의 승합차 번호판은 {}입니다.", {"{k}의 승합차 번호판은 무엇인가요?", "{k}의 승합차는 어떤 번호판을 달고 있나요?"}, kCode, "plate"},
    {"봄부터 {} 씨가 {k}의 일을 도맡고 있습니다.", {"봄부터 {k}의 일을 도맡은 사람은 누구인가요?", "{k}의 일은 봄부터 누가 도맡고 있나요?"}, kName, "charge"},
    {"{k}의 견습생 상은 {} 씨에게 돌아갔습니다.", {"{k}의 견습생 상은 누구에게 돌아갔나요?", "누가 {k}의 견습생 상을 받았나요?"}, kName, "prize"},
    {"{k}의 정원은 {} 씨 덕분에 생겼습니다.", {"{k}의 정원은 누구 덕분에 생겼나요?", "{k}{이/가} 정원을 두고 고마워해야 할 사람은 누구인가요?"}, kName, "garden"},
    {"{k}에 처음 불이 켜진 것은 {}입니다.", {"{k}에 처음 불이 켜진 것은 언제인가요?", "언제 {k}에 처음으로 불이 들어왔나요?"}, kDate, "lights"},
    {"{}까지 {k}{은/는} 개인 주택이었습니다.", {"{k}{은/는} 언제까지 개인 주택이었나요?", "어느 날까지 {k}{이/가} 개인 주택이었나요?"}, kDate, "private"},
    {"{k}의 백업은 {}에 저장되어 있습니다.", {"{k}의 백업은 어디에 저장되어 있나요?", "{k}의 백업이 저장된 곳은 무엇인가요?"}, kUuid, "backup"},
};
// clang-format on

}  // namespace

std::span<const Frame> KeyedFrames(std::string_view language, FrameSet set) {
  if (language == "ko") {
    return set == FrameSet::kTrain ? std::span<const Frame>(kKoreanTrain)
                                   : kKoreanHeldOut;
  }
  return set == FrameSet::kTrain ? std::span<const Frame>(kEnglishTrain)
                                 : kEnglishHeldOut;
}

}  // namespace gist
