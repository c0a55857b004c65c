package restore

import (
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

// role is what a mailbox is for, with the names that it commonly has where the
// server does not tell: those that servers and mail readers make by
// themselves, in capitals folded away. (RFC 6154, section 2)
type role struct {
	attribute string
	names     []string
}

var roles = []role{
	{`\Sent`, []string{
		"sent", "sent items", "sent messages", "sent mail", "gesendet", "gesendete objekte", "gesendete elemente",
		"gesendete nachrichten", "postausgang gesendet", "envoyés", "éléments envoyés", "messages envoyés", "enviados",
		"elementos enviados", "itens enviados", "mensajes enviados", "inviata", "posta inviata", "inviati", "verzonden",
		"verzonden items", "skickat", "skickade", "sendt", "sendte elementer", "wysłane", "odeslané", "odeslaná pošta",
		"отправленные", "送信済み", "送信済みアイテム", "已发送", "已发送邮件",
	}},
	{`\Drafts`, []string{
		"drafts", "draft", "entwürfe", "brouillons", "borradores", "rascunhos", "bozze", "concepten", "utkast", "kladder",
		"wersje robocze", "szkice", "koncepty", "rozepsané", "черновики", "下書き", "草稿", "草稿箱",
	}},
	{`\Trash`, []string{
		"trash", "deleted items", "deleted messages", "bin", "papierkorb", "gelöscht", "gelöschte objekte",
		"gelöschte elemente", "corbeille", "éléments supprimés", "papelera", "elementos eliminados", "lixeira",
		"itens excluídos", "cestino", "posta eliminata", "prullenbak", "verwijderde items", "papperskorgen", "borttaget",
		"papirkurv", "kosz", "koš", "корзина", "удаленные", "удалённые", "ゴミ箱", "已删除", "已删除邮件",
	}},
	{`\Junk`, []string{
		"junk", "junk e-mail", "junk email", "junk mail", "spam", "bulk mail", "spamverdacht", "werbung",
		"courrier indésirable", "pourriel", "correo no deseado", "lixo eletrônico", "posta indesiderata", "ongewenste e-mail",
		"ongewenst", "skräppost", "søppelpost", "uønsket mail", "nevyžádaná pošta", "спам", "迷惑メール", "垃圾邮件",
	}},
	{`\Archive`, []string{
		"archive", "archives", "archiv", "archivo", "archivio", "archief", "arkiv", "arquivo", "archiwum", "архив",
		"アーカイブ", "存档",
	}},
}

// holder returns the mailbox that has the role: the one that the server says,
// else the one with the commonest name on the first level.
func (r role) holder(listed []mailbox.Listed) mailbox.Name {
	for _, l := range listed {
		if slices.ContainsFunc(l.Attributes, func(a string) bool { return strings.EqualFold(a, r.attribute) }) {
			return l.Name
		}
	}
	best, found := len(r.names), mailbox.Name("")
	for _, l := range listed {
		if isAnyRole(l.Attributes) {
			continue
		}
		if i := slices.Index(r.names, strings.ToLower(string(l.Name))); i >= 0 && i < best {
			best, found = i, l.Name
		}
	}
	return found
}

// isAnyRole reports whether a mailbox is for something else, whatever its name.
func isAnyRole(attributes []string) bool {
	return slices.ContainsFunc(roles, func(r role) bool {
		return slices.ContainsFunc(attributes, func(a string) bool { return strings.EqualFold(a, r.attribute) })
	})
}
