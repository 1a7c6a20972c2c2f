#include "core/data/frames.h"

namespace gist {
namespace {

// clang-format off
constexpr Frame kEnglishTrain[] = {
    {"The secret passkey is {}.", {"What is the secret passkey?"}},
    {"Remember this: the secret passkey is {}.", {"What is the secret passkey?", "Tell me the secret passkey."}},
    {"The secret passkey is {}. Do not forget it.", {"What is the secret passkey mentioned in the text?", "What is the secret passkey?"}},
    {"{} is the secret passkey.", {"What is the secret passkey?", "Which passkey does the text give?"}},
    {"Please note that the secret passkey is {}.", {"Tell me the secret passkey.", "What is the secret passkey?"}},
    {"One more thing: the secret passkey is {}.", {"What is the secret passkey?", "What passkey is mentioned in the text?"}},
    {"For your records, the passkey is {}.", {"What is the passkey?", "Which passkey is given for the records?"}},
    {"Whoever asks should be told that the passkey is {}.", {"What is the passkey?", "What should people who ask for the passkey be told?"}},
    {"The passkey you will need is {}.", {"Which passkey will be needed?", "What is the passkey?"}},
    {"Keep the passkey {} to yourself.", {"Which passkey should be kept to oneself?", "What is the passkey?"}},
    {"The hidden passkey, {}, is to be used only once.", {"What is the hidden passkey?", "Which passkey is to be used only once?"}},
    {"Write it down somewhere safe: the passkey is {}.", {"What is the passkey?", "Which passkey should be written down?"}},
    {"The secret code is {}.", {"What is the secret code?", "Tell me the secret code."}},
    {"Do not tell anyone that the secret code is {}.", {"What is the secret code?", "Which secret code is in the text?"}},
    {"The access code for the main door is {}.", {"What is the access code for the main door?", "Which code opens the main door?"}},
    {"To open the vault, enter {}.", {"What has to be entered to open the vault?", "What is the vault's code?"}},
    {"The vault opens with the code {}.", {"With which code does the vault open?", "What is the code of the vault?"}},
    {"The password of the day is {}.", {"What is the password of the day?", "Tell me the password of the day."}},
    {"Today's password has been changed to {}.", {"What has today's password been changed to?", "What is today's password?"}},
    {"The safe's combination was set to {} last night.", {"What was the safe's combination set to?", "What is the combination of the safe?"}},
    {"Your confirmation code is {}.", {"What is the confirmation code?", "Which confirmation code is given?"}},
    {"The order was confirmed under the code {}.", {"Under which code was the order confirmed?", "What is the order's confirmation code?"}},
    {"The special magic word is {}.", {"What is the special magic word?", "Which magic word does the text mention?"}},
    {"The key to the locker is the string {}.", {"Which string is the key to the locker?", "What opens the locker?"}},
    {"Use the activation key {} to start the device.", {"Which activation key starts the device?", "What is the activation key?"}},
    {"The activation key printed on the box reads {}.", {"What does the activation key on the box read?", "What is the activation key?"}},
    {"The ticket in her pocket carried the reference {}.", {"Which reference did the ticket carry?", "What was the reference on the ticket?"}},
    {"He whispered the countersign, {}, and the guard let him pass.", {"What was the countersign?", "Which countersign did he whisper?"}},
    {"The sealed envelope contained a single line: {}.", {"What did the sealed envelope contain?", "What was written in the sealed envelope?"}},
    {"The identification code of this document is {}.", {"What is the identification code of this document?", "Which code identifies this document?"}},
    {"In case of an emergency, quote the code {}.", {"Which code should be quoted in case of an emergency?", "What is the emergency code?"}},
    {"The emergency code is {}, and it never changes.", {"What is the emergency code?", "Which emergency code never changes?"}},
    {"The answer that everybody was looking for is {}.", {"What is the answer that everybody was looking for?", "Which answer was everybody looking for?"}},
    {"The wireless network at the inn is protected by the key {}.", {"Which key protects the wireless network at the inn?", "What is the key of the inn's network?"}},
    {"The voucher {} gives one free night.", {"Which voucher gives one free night?", "What is the voucher's code?"}},
    {"The registration mark of the grey van is {}.", {"What is the registration mark of the grey van?", "Which mark is on the grey van?"}},
};
constexpr Frame kEnglishHeldOut[] = {
    {"If anyone wants the passkey, give them {}.", {"What should be given to anyone who wants the passkey?", "What is the passkey that is to be given out?"}},
    {"There is a passkey in all this, namely {}.", {"Which passkey can be found in this text?", "Can you name the passkey?"}},
    {"Somebody had scratched the passkey into the table: {}.", {"Which passkey had been scratched into the table?", "What did somebody scratch into the table?"}},
    {"As agreed, our passkey shall be {} from now on.", {"Which passkey was agreed on?", "What shall the passkey be from now on?"}},
    {"Only {} unlocks the cellar.", {"What unlocks the cellar?", "Which code do I need for the cellar?"}},
    {"The unlock sequence consists of the characters {}.", {"Of which characters does the unlock sequence consist?", "What is the unlock sequence?"}},
    {"On the back of the photograph stood the mark {}.", {"Which mark stood on the back of the photograph?", "What was on the back of the photograph?"}},
    {"The radio operator's call sign was {}.", {"What was the radio operator's call sign?", "Which call sign did the radio operator have?"}},
    {"The pilot repeated the clearance {} twice.", {"Which clearance did the pilot repeat?", "What was the pilot's clearance?"}},
    {"The licence for the software is {}; it expires in spring.", {"What is the licence for the software?", "Which licence expires in spring?"}},
    {"Luggage tag {} belongs to the missing suitcase.", {"Which luggage tag belongs to the missing suitcase?", "What is the tag of the missing suitcase?"}},
    {"The alarm is switched off by typing {}.", {"What must be typed to switch off the alarm?", "How is the alarm switched off?"}},
};
constexpr Frame kKoreanTrain[] = {
    {"비밀 패스키는 {}입니다.", {"텍스트에서 언급된 비밀 패스키는 무엇인가요?"}},
    {"기억하세요. 비밀 패스키는 {}입니다.", {"텍스트에서 언급된 비밀 패스키는 무엇인가요?", "비밀 패스키는 무엇인가요?"}},
    {"비밀 패스키는 {}이며 잊지 마십시오.", {"비밀 패스키는 무엇인가요?", "잊지 말아야 할 비밀 패스키는 무엇인가요?"}},
    {"{}{이/가} 바로 비밀 패스키입니다.", {"비밀 패스키가 무엇인가요?", "텍스트에 나온 비밀 패스키를 말해 주세요."}},
    {"참고로 비밀 패스키는 {}입니다.", {"비밀 패스키를 알려 주세요.", "비밀 패스키는 무엇인가요?"}},
    {"한 가지 더 말씀드리면 비밀 패스키는 {}입니다.", {"비밀 패스키는 무엇입니까?", "텍스트에서 말한 비밀 패스키는 무엇인가요?"}},
    {"기록을 위해 남기자면 패스키는 {}입니다.", {"기록으로 남긴 패스키는 무엇인가요?", "패스키는 무엇인가요?"}},
    {"누가 물어보면 패스키는 {}{이라고/라고} 답하면 됩니다.", {"누가 물어보면 패스키가 무엇이라고 답해야 하나요?", "패스키는 무엇인가요?"}},
    {"필요하게 될 패스키는 {}입니다.", {"필요하게 될 패스키는 무엇인가요?", "패스키를 알려 주세요."}},
    {"패스키 {}{은/는} 혼자만 알고 계십시오.", {"혼자만 알고 있어야 하는 패스키는 무엇인가요?", "패스키는 무엇인가요?"}},
    {"숨겨진 패스키 {}{은/는} 한 번만 쓸 수 있습니다.", {"숨겨진 패스키는 무엇인가요?", "한 번만 쓸 수 있는 패스키는 무엇인가요?"}},
    {"안전한 곳에 적어 두세요. 패스키는 {}입니다.", {"안전한 곳에 적어 둘 패스키는 무엇인가요?", "패스키는 무엇입니까?"}},
    {"비밀 코드는 {}입니다.", {"비밀 코드는 무엇인가요?", "비밀 코드를 말해 주세요."}},
    {"비밀 코드가 {}{이라는/라는} 것을 아무에게도 말하지 마십시오.", {"비밀 코드는 무엇인가요?", "아무에게도 말하면 안 되는 비밀 코드는 무엇인가요?"}},
    {"정문의 출입 코드는 {}입니다.", {"정문의 출입 코드는 무엇인가요?", "정문은 어떤 코드로 열리나요?"}},
    {"금고를 열려면 {}{을/를} 입력하십시오.", {"금고를 열려면 무엇을 입력해야 하나요?", "금고의 코드는 무엇인가요?"}},
    {"금고는 코드 {}{으로/로} 열립니다.", {"금고는 어떤 코드로 열리나요?", "금고를 여는 코드는 무엇입니까?"}},
    {"오늘의 비밀번호는 {}입니다.", {"오늘의 비밀번호는 무엇인가요?", "오늘의 비밀번호를 알려 주세요."}},
    {"오늘부터 비밀번호가 {}{으로/로} 바뀌었습니다.", {"비밀번호가 무엇으로 바뀌었나요?", "오늘부터 쓰는 비밀번호는 무엇인가요?"}},
    {"지난밤 금고의 번호는 {}{으로/로} 맞춰졌습니다.", {"지난밤 금고의 번호는 무엇으로 맞춰졌나요?", "금고의 번호는 무엇인가요?"}},
    {"귀하의 확인 코드는 {}입니다.", {"확인 코드는 무엇인가요?", "텍스트에 나온 확인 코드를 알려 주세요."}},
    {"주문은 코드 {}{으로/로} 확정되었습니다.", {"주문은 어떤 코드로 확정되었나요?", "주문의 확인 코드는 무엇인가요?"}},
    {"마법의 주문은 {}입니다.", {"마법의 주문은 무엇인가요?", "텍스트에 나온 마법의 주문을 말해 주세요."}},
    {"사물함의 열쇠가 되는 문자열은 {}입니다.", {"사물함의 열쇠가 되는 문자열은 무엇인가요?", "사물함은 무엇으로 열리나요?"}},
    {"기기를 시작하려면 활성화 키 {}{을/를} 쓰십시오.", {"기기를 시작하는 활성화 키는 무엇인가요?", "활성화 키는 무엇입니까?"}},
    {"상자에 인쇄된 활성화 키는 {}입니다.", {"상자에 인쇄된 활성화 키는 무엇인가요?", "활성화 키를 알려 주세요."}},
    {"그녀의 주머니에 있던 표에는 {}{이라는/라는} 번호가 찍혀 있었습니다.", {"표에 찍혀 있던 번호는 무엇인가요?", "그녀의 표에는 어떤 번호가 찍혀 있었나요?"}},
    {"그가 암구호 {}{을/를} 속삭이자 보초가 길을 내주었습니다.", {"그가 속삭인 암구호는 무엇인가요?", "암구호는 무엇이었습니까?"}},
    {"봉해진 봉투에는 {} 한 줄만 적혀 있었습니다.", {"봉해진 봉투에는 무엇이 적혀 있었나요?", "봉투 속의 한 줄은 무엇인가요?"}},
    {"이 문서의 식별 코드는 {}입니다.", {"이 문서의 식별 코드는 무엇인가요?", "어떤 코드가 이 문서를 식별하나요?"}},
    {"비상시에는 코드 {}{을/를} 대십시오.", {"비상시에는 어떤 코드를 대야 하나요?", "비상 코드는 무엇인가요?"}},
    {"비상 코드는 {}이고 절대 바뀌지 않습니다.", {"절대 바뀌지 않는 비상 코드는 무엇인가요?", "비상 코드를 알려 주세요."}},
    {"모두가 찾던 답은 {}입니다.", {"모두가 찾던 답은 무엇인가요?", "모두가 찾던 답을 말해 주세요."}},
    {"여관의 무선 통신망은 키 {}{으로/로} 보호됩니다.", {"여관의 무선 통신망은 어떤 키로 보호되나요?", "여관 통신망의 키는 무엇인가요?"}},
    {"이용권 {}{을/를} 내면 하룻밤을 무료로 묵을 수 있습니다.", {"하룻밤을 무료로 묵을 수 있는 이용권은 무엇인가요?", "이용권의 코드는 무엇입니까?"}},
    {"회색 승합차의 등록 번호는 {}입니다.", {"회색 승합차의 등록 번호는 무엇인가요?", "회색 승합차에는 어떤 번호가 붙어 있나요?"}},
};
constexpr Frame kKoreanHeldOut[] = {
    {"패스키를 원하는 사람에게는 {}{을/를} 주면 됩니다.", {"패스키를 원하는 사람에게 무엇을 주면 되나요?", "사람들에게 줄 패스키는 무엇입니까?"}},
    {"이 글 어딘가에 패스키가 있는데, 그것은 {}입니다.", {"이 글에 들어 있는 패스키는 무엇인가요?", "글 어딘가에 있다는 패스키를 찾아 주세요."}},
    {"누군가 탁자에 패스키 {}{을/를} 새겨 놓았습니다.", {"탁자에 새겨진 패스키는 무엇인가요?", "누군가 탁자에 무엇을 새겨 놓았나요?"}},
    {"약속한 대로 앞으로 우리의 패스키는 {}{으로/로} 합니다.", {"약속한 패스키는 무엇인가요?", "앞으로 패스키를 무엇으로 하나요?"}},
    {"오직 {}만이 지하실을 엽니다.", {"무엇이 지하실을 여나요?", "지하실에 들어가려면 어떤 코드가 필요한가요?"}},
    {"잠금 해제 순서는 문자 {}{으로/로} 이루어집니다.", {"잠금 해제 순서는 어떤 문자로 이루어지나요?", "잠금 해제 순서는 무엇인가요?"}},
    {"사진 뒷면에는 {}{이라는/라는} 표시가 있었습니다.", {"사진 뒷면에는 어떤 표시가 있었나요?", "사진 뒷면의 표시는 무엇인가요?"}},
    {"무전병의 호출 부호는 {}{이었/였}습니다.", {"무전병의 호출 부호는 무엇이었나요?", "무전병은 어떤 호출 부호를 썼나요?"}},
    {"조종사는 허가 번호 {}{을/를} 두 번 되풀이했습니다.", {"조종사가 되풀이한 허가 번호는 무엇인가요?", "조종사는 무엇을 두 번 되풀이했나요?"}},
    {"프로그램의 사용권은 {}이며 봄에 만료됩니다.", {"프로그램의 사용권은 무엇인가요?", "봄에 만료되는 사용권은 무엇입니까?"}},
    {"수하물 꼬리표 {}{은/는} 잃어버린 가방의 것입니다.", {"잃어버린 가방의 수하물 꼬리표는 무엇인가요?", "어떤 꼬리표가 잃어버린 가방의 것인가요?"}},
    {"경보를 끄려면 {}{을/를} 누르십시오.", {"경보를 끄려면 무엇을 눌러야 하나요?", "경보는 어떻게 끄나요?"}},
};
// clang-format on

}  // namespace

std::span<const Frame> PasskeyFrames(std::string_view language, FrameSet set) {
  if (language == "ko") {
    return set == FrameSet::kTrain ? std::span<const Frame>(kKoreanTrain)
                                   : kKoreanHeldOut;
  }
  return set == FrameSet::kTrain ? std::span<const Frame>(kEnglishTrain)
                                 : kEnglishHeldOut;
}

}  // namespace gist
