using System.Text;
using Gauntlet.Pipelines.Series;

namespace Gauntlet.Pipelines.Tests.Series;

/// <summary>Writes mails as people send them.</summary>
public static class MailMaker
{
    public const string Author = "Ann Author <ann@example.org>";

    /// <summary>A change that applies to <see cref="Repository"/>'s first commit.</summary>
    public static string Change(string file = "a.c", string before = "int a;", string after = "long a;") =>
        $"---\n {file} | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\ndiff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n@@ -1 +1 @@\n-{before}\n+{after}\n-- \n2.39\n";

    public static string Text(string subject, string id, string? parent = null, string from = Author, string body = "", string headers = "") =>
        $"From: {from}\nDate: Thu, 1 Oct 2026 10:00:00 +0000\nSubject: {subject}\nMessage-Id: <{id}>\n{(parent is null ? "" : $"In-Reply-To: <{parent}>\nReferences: <{parent}>\n")}{headers}\n{body}";

    public static Mail Make(string subject, string id, string? parent = null, string from = Author, string body = "", string headers = "") =>
        new(Encoding.UTF8.GetBytes(Text(subject, id, parent, from, body, headers)), id);

    /// <summary>A patch mail with a commit message.</summary>
    public static Mail Patch(string subject, string id, string? parent = null, string from = Author, string? change = null) =>
        Make(subject, id, parent, from, $"Because.\n\nSigned-off-by: {from}\n{change ?? Change()}");

    public static async Task<AssembledMails> AssembleAsync(params Mail[] mails) =>
        await SeriesAssembler.AssembleAsync(mails, mail => mail.BodyHash, CancellationToken.None);
}
