using System.Net;
using System.Net.Sockets;
using System.Text;
using Gauntlet.Pipelines.Gate;
using Gauntlet.Pipelines.Series;
using Gauntlet.Pipelines.Tests.Isolation;
using Gauntlet.Terminal;
using static Gauntlet.Pipelines.Tests.Series.MailMaker;

namespace Gauntlet.Pipelines.Tests.Gate;

public sealed class GateMailerTests
{
    [SendEmailFact]
    public async Task AReplyArrivesAtAnSmtpHostBelowThePatchThatFailed()
    {
        using var gate = await GateFixture.CreateAsync();
        var entry = await gate.EnqueueAsync("bad topic", [
            Make("[PATCH 0/2] bad topic", "bad0@x"), Patch("[PATCH 1/2] fine", "bad1@x", "bad0@x", change: GateFixture.NewFile("x1.c", "1")),
            Patch("[PATCH 2/2] breaks it", "bad2@x", "bad0@x", change: GateFixture.NewFile("x2.c", "BROKEN"))]);
        await gate.RunAsync();
        var (folder, log) = (Path.Combine(gate.StoreFolder, "outgoing"), new List<string>());
        using var host = new SmtpHost();
        var mailer = new GateMailer(folder, "CI <ci@example.org>", send: true, $"127.0.0.1:{host.Port}", log.Add);

        await mailer.ReplyAsync(gate.Queue.Get(entry.Id), gate.Queue.GetRecord(entry.Id), gate.Series.Find("bad topic"), default);

        var (recipients, mail) = await host.Received;
        Assert.Contains("x2.c", mail, StringComparison.Ordinal);
        Assert.Equal("<bad2@x>", MailHeaders.Parse(Encoding.UTF8.GetBytes(mail))["In-Reply-To"]);
        Assert.Single(recipients);
        Assert.Equal([".sent"], Directory.GetFiles(folder).Select(Path.GetExtension));
    }

    [SendEmailFact]
    public async Task AMailThatCouldNotBeSentStaysAndIsTriedAgain()
    {
        using var gate = await GateFixture.CreateAsync();
        var entry = await gate.EnqueueFileAsync("good.c", "1");
        await gate.RunAsync();
        var (folder, log) = (Path.Combine(gate.StoreFolder, "outgoing"), new List<string>());
        int closed;
        using (var nobody = new SmtpHost())
            closed = nobody.Port;

        var failing = new GateMailer(folder, "ci@example.org", send: true, $"127.0.0.1:{closed}", log.Add);
        await failing.ReplyAsync(gate.Queue.Get(entry.Id), gate.Queue.GetRecord(entry.Id), gate.Series.Find("add good.c"), default);
        Assert.Equal([".eml"], Directory.GetFiles(folder).Select(Path.GetExtension));
        Assert.Contains(log, line => line.Contains("could not send", StringComparison.Ordinal));

        using var host = new SmtpHost();
        await new GateMailer(folder, "ci@example.org", send: true, $"127.0.0.1:{host.Port}", log.Add).SendAllAsync(default);

        Assert.Contains("Merged into", (await host.Received).Mail, StringComparison.Ordinal);
        Assert.Equal([".sent"], Directory.GetFiles(folder).Select(Path.GetExtension));
    }

    [IsolationFact]
    public async Task NothingIsSentUnasked()
    {
        using var gate = await GateFixture.CreateAsync();
        var entry = await gate.EnqueueFileAsync("good.c", "1");
        await gate.RunAsync();
        var folder = Path.Combine(gate.StoreFolder, "outgoing");

        await new GateMailer(folder, "ci@example.org", send: false, null, _ => { }).ReplyAsync(gate.Queue.Get(entry.Id), gate.Queue.GetRecord(entry.Id), gate.Series.Find("add good.c"), default);

        Assert.Equal([".eml"], Directory.GetFiles(folder).Select(Path.GetExtension));
    }

    [Theory]
    [InlineData("")]
    [InlineData("--smtp-server-option=x")]
    [InlineData("host; rm -rf /")]
    public void AHostThatIsNoneIsRefused(string smtp) => Assert.Contains("--smtp must be", Assert.Throws<UserException>(() => GateMailer.Require(smtp)).Message, StringComparison.Ordinal);

    /// <summary>Takes one mail (RFC 5321, the commands that a client without extensions sends).</summary>
    private sealed class SmtpHost : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

        public SmtpHost()
        {
            _listener.Start();
            Received = ReceiveAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public Task<(List<string> Recipients, string Mail)> Received { get; }

        public void Dispose() => _listener.Stop();

        private async Task<(List<string>, string)> ReceiveAsync()
        {
            using var client = await _listener.AcceptTcpClientAsync();
            using var reader = new StreamReader(client.GetStream(), Encoding.UTF8);
            await using var writer = new StreamWriter(client.GetStream()) { NewLine = "\r\n", AutoFlush = true };
            await writer.WriteLineAsync("220 test");
            var (recipients, mail) = (new List<string>(), new StringBuilder());
            while (await reader.ReadLineAsync() is { } line)
            {
                var command = line.Split(' ')[0].ToUpperInvariant();
                if (command == "RCPT")
                    recipients.Add(line);
                await writer.WriteLineAsync(command switch { "DATA" => "354 go on", "QUIT" => "221 bye", _ => "250 ok" });
                if (command == "QUIT")
                    break;
                if (command != "DATA")
                    continue;
                while (await reader.ReadLineAsync() is { } text && text != ".")
                    mail.Append(text.StartsWith('.') ? text[1..] : text).Append('\n');
                await writer.WriteLineAsync("250 taken");
            }

            return (recipients, mail.ToString());
        }
    }
}

/// <summary>Needs isolation and git send-email.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SendEmailFactAttribute : IsolationFactAttribute
{
    public SendEmailFactAttribute()
    {
        if (!File.Exists("/usr/lib/git-core/git-send-email"))
            Skip ??= "git send-email is not installed (Debian's package git-email)";
    }
}
