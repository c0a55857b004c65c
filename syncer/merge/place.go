package merge

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

// Use is what a mailbox is for. (RFC 6154)
type Use string

// The uses. Ordinary is every mailbox without one.
const (
	Ordinary   Use = ""
	UseInbox   Use = `\Inbox`
	UseSent    Use = `\Sent`
	UseDrafts  Use = `\Drafts`
	UseTrash   Use = `\Trash`
	UseJunk    Use = `\Junk`
	UseArchive Use = `\Archive`
	UseAll     Use = `\All`
)

// useNames are what clients call mailboxes, in lower case: English, German,
// French, Spanish, Italian, Portuguese, Dutch, Polish, Swedish, Danish,
// Norwegian, Finnish, Czech, Hungarian, Turkish, Russian, Ukrainian, Greek,
// Japanese, Chinese, Korean. Names that mean different things to different
// clients are left out.
var useNames = map[Use][]string{
	UseInbox: {
		"inbox", "posteingang", "boîte de réception", "courrier entrant", "bandeja de entrada", "entrada", "posta in arrivo",
		"in arrivo", "caixa de entrada", "postvak in", "skrzynka odbiorcza", "odebrane", "inkorgen", "indbakke", "innboks",
		"saapuneet", "doručená pošta", "přijatá pošta", "beérkezett üzenetek", "gelen kutusu", "входящие", "вхідні", "εισερχόμενα",
		"受信トレイ", "受信箱", "收件箱", "收件匣", "받은 편지함", "받은편지함",
	},
	UseSent: {
		"sent", "sent items", "sent mail", "sent messages", "sent-mail", "outbox-sent", "gesendet", "gesendete elemente",
		"gesendete objekte", "gesendete nachrichten", "gesendete e-mails", "postausgang gesendet", "envoyés", "éléments envoyés",
		"messages envoyés", "courrier envoyé", "enviados", "elementos enviados", "mensajes enviados", "correo enviado",
		"posta inviata", "inviata", "inviati", "elementi inviati", "itens enviados", "mensagens enviadas", "verzonden",
		"verzonden items", "verzonden berichten", "wysłane", "elementy wysłane", "skickat", "skickade objekt", "sendt",
		"sendt post", "sendte elementer", "lähetetyt", "odeslaná pošta", "odeslané", "elküldött elemek", "elküldött üzenetek",
		"gönderilmiş öğeler", "gönderilenler", "отправленные", "надіслані", "απεσταλμένα", "送信済みアイテム", "送信済み", "送信済みトレイ",
		"已发送", "已发送邮件", "寄件備份", "보낸 편지함", "보낸편지함",
	},
	UseDrafts: {
		"drafts", "draft", "entwürfe", "entwurf", "brouillons", "borradores", "bozze", "rascunhos", "concepten", "kopie robocze",
		"wersje robocze", "utkast", "kladder", "luonnokset", "koncepty", "rozepsané", "piszkozatok", "taslaklar", "черновики",
		"чернетки", "πρόχειρα", "下書き", "草稿", "草稿箱", "임시 보관함", "임시보관함",
	},
	UseTrash: {
		"trash", "deleted", "deleted items", "deleted messages", "bin", "papierkorb", "gelöscht", "gelöschte elemente",
		"gelöschte objekte", "corbeille", "éléments supprimés", "papelera", "papelera de reciclaje", "elementos eliminados", "cestino",
		"posta eliminata", "elementi eliminati", "lixeira", "lixo", "itens excluídos", "itens eliminados", "prullenbak",
		"verwijderde items", "kosz", "elementy usunięte", "papperskorgen", "borttagna objekt", "papirkurv", "slettet post",
		"slettede elementer", "roskakori", "poistetut", "koš", "odstraněná pošta", "törölt elemek", "kuka", "çöp kutusu",
		"silinmiş öğeler", "корзина", "удаленные", "удалённые", "кошик", "видалені", "κάδος απορριμμάτων", "διαγραμμένα", "ゴミ箱",
		"ごみ箱", "削除済みアイテム", "已删除邮件", "已删除", "废件箱", "垃圾桶", "刪除的郵件", "지운 편지함", "휴지통",
	},
	UseJunk: {
		"junk", "spam", "junk e-mail", "junk email", "junk mail", "bulk mail", "bulk", "spamverdacht", "junk-e-mail", "unerwünscht",
		"werbung", "courrier indésirable", "indésirables", "pourriel", "correo no deseado", "posta indesiderata", "indesiderata",
		"lixo eletrônico", "lixo electrónico", "ongewenste e-mail", "ongewenst", "wiadomości-śmieci", "skräppost", "uønsket e-mail",
		"uønsket post", "søppelpost", "roskaposti", "nevyžádaná pošta", "levélszemét", "önemsiz", "önemsiz e-posta", "спам",
		"нежелательная почта", "небажана пошта", "ανεπιθύμητα", "迷惑メール", "垃圾邮件", "垃圾郵件", "정크 메일", "스팸", "스팸메일함",
	},
	UseArchive: {
		"archive", "archives", "archiv", "archivo", "archivio", "arquivo", "archief", "archiwum", "arkiv", "arkisto", "archív",
		"arşiv", "архив", "архів", "αρχείο", "アーカイブ", "归档", "封存", "보관함",
	},
	UseAll: {
		"all mail", "alle nachrichten", "tous les messages", "todos", "todos los mensajes", "tutti i messaggi", "todos os e-mails",
		"alle e-mails", "alle berichten", "wszystkie", "вся почта", "すべてのメール", "所有邮件",
	},
}

// defaultNames are given to mailboxes that the target does not have yet.
var defaultNames = map[Use]mailbox.Name{
	UseInbox: mailbox.Inbox, UseSent: "Sent", UseDrafts: "Drafts", UseTrash: "Trash", UseJunk: "Junk", UseArchive: "Archive", UseAll: "Archive",
}

// useOf tells what a mailbox is for by its name: one of its own, or below
// INBOX or Gmail's prefix, as servers and clients spell it.
func useOf(name mailbox.Name) Use {
	levels := name.Elements()
	if len(levels) == 2 {
		switch strings.ToLower(levels[0]) {
		case "inbox", "[gmail]", "[google mail]":
			levels = levels[1:]
		}
	}
	if len(levels) != 1 {
		return Ordinary
	}
	return useOfName(levels[0])
}

func useOfName(text string) Use {
	text = strings.ToLower(strings.TrimSpace(text))
	for _, use := range []Use{UseInbox, UseSent, UseDrafts, UseTrash, UseJunk, UseArchive, UseAll} {
		if slices.Contains(useNames[use], text) {
			return use
		}
	}
	return Ordinary
}

// Mapping turns the sources' mailboxes into the target's.
type Mapping struct {
	rules []mapRule
	under string
	// byUse is where the target has mailboxes of each use.
	byUse map[Use]mailbox.Name
	known map[mailbox.Name]mailbox.Name
}

type mapRule struct {
	from string
	to   mailbox.Name
}

// NewMapping reads rules FROM=TO, of which FROM may have * and ?, and a prefix
// under which all is kept apart, "" for none. Target is what the target has.
func NewMapping(rules []string, under string, target []mailbox.Listed) (*Mapping, error) {
	m := &Mapping{under: strings.Trim(under, "/"), byUse: map[Use]mailbox.Name{}, known: map[mailbox.Name]mailbox.Name{}}
	for _, rule := range rules {
		from, to, found := strings.Cut(rule, "=")
		if !found || from == "" || to == "" {
			return nil, fmt.Errorf("%q is not FROM=TO", rule)
		}
		if _, err := path.Match(from, ""); err != nil {
			return nil, fmt.Errorf("%q: %w", rule, err)
		}
		m.rules = append(m.rules, mapRule{strings.ToLower(from), mailbox.JoinText(strings.Split(strings.Trim(to, "/"), "/")...)})
	}
	m.learn(target)
	return m, nil
}

// learn finds the target's mailboxes of each use: what the server says wins
// over what names suggest.
func (m *Mapping) learn(target []mailbox.Listed) {
	for _, byName := range []bool{false, true} {
		for _, listed := range target {
			use := Ordinary
			if byName {
				use = useOf(listed.Name)
			} else {
				use = useOfAttributes(listed.Attributes)
			}
			if use == Ordinary || use == UseAll || use == UseInbox {
				continue
			}
			if _, taken := m.byUse[use]; !taken {
				m.byUse[use] = listed.Name
			}
		}
	}
}

func useOfAttributes(attributes []string) Use {
	for _, attribute := range attributes {
		for _, use := range []Use{UseSent, UseDrafts, UseTrash, UseJunk, UseArchive} {
			if strings.EqualFold(attribute, string(use)) {
				return use
			}
		}
	}
	return Ordinary
}

// To returns the target's mailbox for a source's.
func (m *Mapping) To(from mailbox.Name) mailbox.Name {
	if to, known := m.known[from]; known {
		return to
	}
	to := m.find(from)
	m.known[from] = to
	return to
}

func (m *Mapping) find(from mailbox.Name) mailbox.Name {
	lower := strings.ToLower(string(from))
	for _, rule := range m.rules {
		if ok, _ := path.Match(rule.from, lower); ok {
			return m.below(rule.to)
		}
	}
	use := useOf(from)
	if m.under != "" {
		if use != Ordinary {
			return m.below(defaultNames[use])
		}
		return m.below(from)
	}
	if to, found := m.byUse[use]; found {
		return to
	}
	if to, found := defaultNames[use]; found {
		return to
	}
	return from
}

// below puts a name under the prefix.
func (m *Mapping) below(name mailbox.Name) mailbox.Name {
	if m.under == "" {
		return name
	}
	levels := []mailbox.Level{}
	for _, text := range strings.Split(m.under, "/") {
		levels = append(levels, mailbox.Level{Text: text})
	}
	return mailbox.Join(append(levels, name.Split()...)...)
}

// weight orders the mailboxes that copies of one message are in: where a user
// filed it says more than where it arrived, and that more than a bin.
func weight(use Use) int {
	switch use {
	case Ordinary:
		return 0
	case UseSent:
		return 1
	case UseDrafts:
		return 2
	case UseArchive:
		return 3
	case UseInbox:
		return 4
	case UseAll:
		return 5
	case UseJunk:
		return 6
	}
	return 7
}
