using System.Diagnostics;
using Gauntlet.Pipelines.Series;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Gate;

/// <summary>
/// Writes the gate's replies into a folder, and sends them when it was told to: by <c>git send-email</c>, with the user's own <c>sendemail.*</c>
/// settings. A mail that is sent gets the suffix <c>.sent</c>; one that could not be is tried again with the next.
/// </summary>
/// <param name="folder">Made when it is not there.</param>
/// <param name="sender">From.</param>
/// <param name="send">Send, not only write.</param>
/// <param name="smtp"><c>HOST</c> or <c>HOST:PORT</c> instead of the one in git's settings; null: those.</param>
/// <param name="log">Told what was sent and what was not.</param>
public sealed class GateMailer(string folder, string sender, bool send, string? smtp, Action<string> log)
{
    /// <summary>Of one mail.</summary>
    private static readonly TimeSpan SendLimit = TimeSpan.FromMinutes(2);

    /// <summary>Writes the reply about an entry that was settled, then sends what is there.</summary>
    public async Task ReplyAsync(GateEntry entry, GateRecord? record, SeriesVersion version, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, $"{entry.Id:d6}-{entry.State}.eml");
        // Whole or not at all: a half mail would be sent as it is.
        await File.WriteAllTextAsync(file + ".new", GateReport.Mail(entry, record, version, sender, DateTimeOffset.Now), cancellation);
        File.Move(file + ".new", file, overwrite: true);
        await SendAllAsync(cancellation);
    }

    /// <summary>Sends what is in the folder and was not sent; a mailer that only writes sends nothing.</summary>
    public async Task SendAllAsync(CancellationToken cancellation)
    {
        if (!send || !Directory.Exists(folder))
            return;
        foreach (var file in Directory.GetFiles(folder, "*.eml").Order(StringComparer.Ordinal))
        {
            if (await SendAsync(file, cancellation) is { } problem)
            {
                log($"could not send {file}, it is tried again with the next: {problem}");
                return;
            }

            File.Move(file, file + ".sent", overwrite: true);
            log($"sent {Path.GetFileName(file)}");
        }
    }

    /// <summary>Refuses what could not work, before anything is merged.</summary>
    /// <exception cref="UserException">git has no send-email, or the host is none.</exception>
    public static void Require(string? smtp)
    {
        if (smtp is not null && (smtp.Length == 0 || smtp[0] == '-' || smtp.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('.' or '-' or ':' or '[' or ']'))))
            throw new UserException($"--smtp must be HOST or HOST:PORT, not '{smtp}'");
        using var process = Process.Start(new ProcessStartInfo("git", ["--exec-path"]) { RedirectStandardOutput = true })!;
        var commands = process.StandardOutput.ReadToEnd().Trim();
        if (!File.Exists(Path.Combine(commands, "git-send-email")))
            throw new UserException("sending replies needs git send-email: apt-get install git-email", ExitCode.Environment);
    }

    private async Task<string?> SendAsync(string file, CancellationToken cancellation)
    {
        var to = MailHeaders.Parse(await File.ReadAllBytesAsync(file, cancellation)).Address("To");
        if (to is null)
            return "it has no address to go to";
        var colon = smtp?.LastIndexOf(':') ?? -1;
        string[] server = smtp is null ? [] : colon < 0 || smtp.EndsWith(']') ? [$"--smtp-server={smtp}"] : [$"--smtp-server={smtp[..colon]}", $"--smtp-server-port={smtp[(colon + 1)..]}"];
        var start = new ProcessStartInfo("git", ["send-email", "--quiet", "--confirm=never", "--suppress-cc=all", "--no-validate", "--no-thread", $"--from={sender}", $"--to={to}", .. server, file])
        {
            // Not the gated repository's settings, and nobody is there to be asked.
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["GIT_TERMINAL_PROMPT"] = "0";
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(SendLimit);
        try
        {
            var (output, error) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode == 0 ? null : Printable.Line(((await error) + (await output)).Trim());
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancellation.ThrowIfCancellationRequested();
            return $"it took longer than {SendLimit.TotalSeconds:0} s";
        }
    }
}
