using Gauntlet.Vmm.Tracing;

namespace Gauntlet.Vmm.Program.Options;

// Character devices and who uses them: serial ports, monitors, qtest, gdb.
public sealed partial class OptionParser
{
    private void ParseSerial(string argument)
    {
        if (argument == "none")
            _options.Serial.Add("");
        else if (argument.StartsWith("mon:", StringComparison.Ordinal))
            _options.Serial.Add(AddShared("-serial", argument["mon:".Length..], $"serial{_options.Serial.Count}"));
        else
            _options.Serial.Add(Refer("-serial", argument, $"serial{_options.Serial.Count}"));
    }

    // A console with the monitor behind Ctrl-A c.
    private string AddShared(string option, string argument, string id)
    {
        AddChardev(ChardevParser.ParseShort(option, argument, id) with { IsMux = true });
        _options.Monitors.Add(new MonitorOption(id, IsQmp: false));
        return id;
    }

    private void AddMonitor(string option, string argument, bool isQmp)
    {
        if (argument is not ("none" or "null"))
            _options.Monitors.Add(new MonitorOption(Refer(option, argument, $"compat_monitor{_options.Monitors.Count}"), isQmp));
    }

    private void ParseMon(string argument)
    {
        var list = new PropertyList("-mon", argument, "chardev");
        var chardev = list.Take("chardev") ?? throw new OptionException($"-mon {argument}: no chardev= given");
        var isQmp = list.Take("mode") switch
        {
            null or "readline" => false,
            "control" => true,
            var mode => throw new OptionException($"-mon mode={mode}: there are readline and control"),
        };
        _ = list.TakeSwitch("pretty");
        list.ExpectEmpty("chardev, mode, pretty");
        _options.Monitors.Add(new MonitorOption(chardev, isQmp));
    }

    // chardev:ID is one that is defined by itself, before or after; anything else defines one here.
    private string Refer(string option, string argument, string id)
    {
        if (argument.StartsWith("chardev:", StringComparison.Ordinal))
            return argument["chardev:".Length..];
        AddChardev(ChardevParser.ParseShort(option, argument, id));
        return id;
    }

    private void AddChardev(ChardevOption chardev)
    {
        foreach (var other in _options.Chardevs)
        {
            if (other.Id == chardev.Id)
                throw new OptionException($"chardev '{chardev.Id}' is defined twice");
        }
        _options.Chardevs.Add(chardev);
    }

    private void ParseTrace(string argument)
    {
        if (IsHelp(argument))
        {
            _options.ListsTraceEvents = true;
            return;
        }
        var list = new PropertyList("-trace", argument, "enable");
        if (list.Take("enable") is { } pattern)
            _options.TracePatterns.Add(pattern);
        if (list.Take("events") is { } path)
        {
            try
            {
                if (new FileInfo(path).Length > TracePatterns.MaxFileBytes)
                    throw new OptionException($"-trace events={path}: longer than {TracePatterns.MaxFileBytes} bytes");
                _options.TracePatterns.AddLines(File.ReadAllText(path));
            }
            catch (Exception why) when (why is IOException or UnauthorizedAccessException)
            {
                throw new OptionException($"-trace events={path}: {why.Message}");
            }
        }
        _options.TraceFile = list.Take("file") ?? _options.TraceFile;
        list.ExpectEmpty("enable, events, file");
    }

    // A socket listens unless told otherwise, and nobody waits for a debugger but with -S.
    private void SetGdb(string argument)
    {
        _options.Gdb = null;
        if (argument == "none")
            return;
        _options.Gdb = Refer("-gdb", argument, "gdb");
        var index = _options.Chardevs.FindIndex(chardev => chardev.Id == "gdb");
        if (index >= 0 && _options.Chardevs[index].Kind == ChardevKind.Socket && !argument.Contains(",server", StringComparison.Ordinal))
            _options.Chardevs[index] = _options.Chardevs[index] with { IsServer = true, Waits = false };
    }

    private void ExpectChardevs()
    {
        foreach (var id in _options.Serial)
            Expect("-serial", id);
        foreach (var monitor in _options.Monitors)
            Expect("-mon", monitor.Chardev);
        if (_options.Qtest is { } qtest)
            Expect("-qtest", qtest);
        if (_options.Gdb is { } gdb)
            Expect("-gdb", gdb);
        var stdio = 0;
        foreach (var chardev in _options.Chardevs)
            stdio += chardev.Kind == ChardevKind.Stdio ? 1 : 0;
        if (stdio > 1)
            throw new OptionException("standard input and output serve one port only; share them with mon:stdio or -chardev stdio,mux=on");

        void Expect(string option, string id)
        {
            if (id.Length == 0)
                return;
            foreach (var chardev in _options.Chardevs)
            {
                if (chardev.Id == id)
                    return;
            }
            throw new OptionException($"{option}: there is no chardev '{id}'");
        }
    }
}
