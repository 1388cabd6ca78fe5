namespace Gauntlet.Vmm.Chardevs;

/// <summary>
/// Several users on one chardev, as <c>mux=on</c>: all may send, one at a time receives. Ctrl-A is the escape: <c>c</c> goes to the next user, <c>x</c>
/// ends the machine, <c>h</c> helps, Ctrl-A itself is sent on.
/// </summary>
public sealed class MuxChardev : Chardev, IChardevUser
{
    /// <summary>As QEMU has.</summary>
    public const int MaxUsers = 4;

    private const byte Escape = 0x01;

    private readonly Chardev _inner;
    private readonly Action _onQuit;
    private readonly List<IChardevUser> _users = [];
    private int _focus;
    private bool _escaped, _started;

    /// <param name="onQuit">For Ctrl-A x.</param>
    public MuxChardev(Chardev inner, Action onQuit)
        : base(inner.Id, inner.FileName)
    {
        _inner = inner;
        _onQuit = onQuit;
        inner.Attach(this);
    }

    /// <exception cref="InvalidOperationException">There are four users already.</exception>
    public override void Attach(IChardevUser user)
    {
        if (_users.Count == MaxUsers)
            throw new InvalidOperationException($"chardev '{Id}' has {MaxUsers} users already");
        _users.Add(user);
    }

    public override void Write(ReadOnlySpan<byte> bytes) => _inner.Write(bytes);

    public override void Start()
    {
        if (_started)
            return;
        _started = true;
        _inner.Start();
    }

    public override void Dispose() => _inner.Dispose();

    void IChardevUser.OnConnected()
    {
        foreach (var user in _users)
            user.OnConnected();
    }

    void IChardevUser.OnReceived(ReadOnlySpan<byte> bytes)
    {
        var start = 0;
        for (var i = 0; i < bytes.Length; i++)
        {
            if (!_escaped && bytes[i] != Escape)
                continue;
            Forward(bytes[start..i]);
            start = i + 1;
            if (_escaped)
                Command(bytes[i]);
            _escaped = !_escaped;
        }
        Forward(bytes[start..]);
    }

    void IChardevUser.OnDisconnected()
    {
        foreach (var user in _users)
            user.OnDisconnected();
    }

    private void Forward(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > 0 && _focus < _users.Count)
            _users[_focus].OnReceived(bytes);
    }

    private void Command(byte letter)
    {
        switch (letter)
        {
            case Escape:
                Forward([Escape]);
                break;
            case (byte)'c':
                _focus = _users.Count == 0 ? 0 : (_focus + 1) % _users.Count;
                break;
            case (byte)'x':
                _onQuit();
                break;
            case (byte)'h' or (byte)'?':
                Write("\r\nCtrl-A h  this help\r\nCtrl-A x  end the machine\r\nCtrl-A c  next of console and monitor\r\nCtrl-A Ctrl-A  send Ctrl-A\r\n"u8);
                break;
            default:
                break;
        }
    }
}
